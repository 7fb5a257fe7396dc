//! `/v1/uploads`.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::Utc;
use http::{HeaderMap, StatusCode};
use quittance_domain::id::{ClientId, UploadId};
use quittance_lambda::caller::{Caller, Permission, Reach};
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::{ChangeHeaders, in_path};
use quittance_lambda::openapi::responses::UnknownInBody;
use quittance_lambda::openapi::schema::{count, list_of, matching, object, one_of, refer, refer_as, time, words};
use quittance_lambda::problem::{FieldProblem, Problem};
use quittance_lambda::{described, parameters};
use quittance_store::StoreError;
use quittance_store::uploads::{self, FILE_BYTES_MAX, Upload, UploadKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::work::{self, Work, answer};
use crate::{Billing, path_id, unavailable};

/// How long the URL takes a file.
const URL_LIFETIME: Duration = Duration::from_secs(15 * 60);

const CONTENT_TYPE: &str = "text/csv";

/// Longer than the name of any kind.
const KIND_LENGTH_MAX: usize = 40;

/// What is kept of the answer to an announced file; the URL is not.
#[derive(Debug, Serialize, Deserialize)]
struct Announced {
    id: UploadId,
    status: String,
}

/// What a file may be.
const KINDS: [UploadKind; 2] = [UploadKind::PaymentConfirmation, UploadKind::BankStatement];

/// Where an upload stands.
const STATUSES: [&str; 3] = [AWAITING_FILE, "accepted", "refused"];
const AWAITING_FILE: &str = "awaiting_file";

parameters! {
    /// The upload in a path.
    pub(crate) UploadPath => [in_path("id", refer("UploadId"), "The upload.")]
}

described! {
    /// The body of `POST /v1/uploads`.
    pub(crate) NewUpload => object("A file to upload.")
        .with("kind", one_of(KINDS.map(UploadKind::as_str), "What the file is."))
        .optional("client_id", refer_as("ClientId", "Whose payments the file confirms; staff must say, a client's own users need not."))
        .with("size_bytes", count(1, FILE_BYTES_MAX.into(), "The file's exact size."))
        .closed_like(json!({"kind": "payment_confirmation", "client_id": examples::CLIENT_ID, "size_bytes": 184}))
}

described! {
    /// An announced file, with where it goes.
    pub(crate) AnnouncedUpload => object("An announced file.")
        .with("id", refer("UploadId"))
        .with("status", one_of(STATUSES, "Where it stands."))
        .with("put", object("The request that brings the file.")
            .with("method", one_of(["PUT"], "Its method."))
            .with("url", words("Its URL, made anew each time; it holds a signature, so keep it out of logs."))
            .with("expires_in_seconds", count(1, URL_LIFETIME.as_secs(), "How long the URL takes the file."))
            .with("headers", object("Headers that it must have, as they are.")
                .with("content-type", one_of([CONTENT_TYPE], "The file's media type."))
                .with("content-length", matching("^[1-9][0-9]*$", "The file's size."))
                .open())
            .open())
        .open()
}

described! {
    /// What became of an upload.
    pub(crate) UploadOutcome => object("An upload and its lines.")
        .with("id", refer("UploadId"))
        .with("kind", one_of(KINDS.map(UploadKind::as_str), "What the file is."))
        .with("status", one_of(STATUSES, "Where it stands."))
        .with_or_null("refusal", words("Why the file was refused."))
        .with("created_at", time("When it was announced."))
        .with("lines", list_of(
            object("A line that was taken.")
                .with("line", count(1, i32::MAX.unsigned_abs().into(), "Line of the file, counting the header."))
                .with("transaction_id", refer("TransactionId"))
                .with("amount", refer("Money"))
                .open(),
            "The lines that were taken.",
        ))
        .open()
}

struct Request {
    kind: UploadKind,
    client_id: Option<ClientId>,
    size_bytes: u32,
}

/// Announces a file and gives the URL that takes it.
#[utoipa::path(
    post,
    path = "/v1/uploads",
    operation_id = "startUpload",
    tag = "uploads",
    params(ChangeHeaders),
    request_body = NewUpload,
    responses((status = 201, description = "Where the file goes.", body = AnnouncedUpload), UnknownInBody)
)]
pub(crate) async fn start(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let request = parse(&body)?;
    let client_id = speaks_for(&caller, &request)?;
    let mut work = match Work::begin(&billing, &caller, &headers, &[b"POST /v1/uploads", &body]).await? {
        // The URL lives for minutes and is made anew; it is never kept.
        work::Request::Answered(status, known) => {
            let known: Announced = serde_json::from_value(known)
                .map_err(|error| unavailable(StoreError::corrupt("billing.requests", error)))?;
            return Ok(answer(status, with_url(&billing, &known, request.size_bytes).await?));
        }
        work::Request::New(work) => work,
    };
    if let Some(client_id) = client_id {
        let found = quittance_store::clients::find(&billing.database, client_id).await.map_err(unavailable)?;
        if found.is_none() {
            return Err(Problem::not_found("client", client_id));
        }
    }
    let id = UploadId::from_uuid(Uuid::now_v7());
    let upload = Upload {
        id,
        kind: request.kind,
        uploaded_by: caller.name.clone(),
        client_id,
        object_key: object_key(id),
        status: AWAITING_FILE.to_owned(),
        refusal: None,
        created_at: Utc::now(),
    };
    uploads::insert(&mut work.transaction, &upload).await.map_err(unavailable)?;
    work.audit("upload.announced", id.to_string(), Value::Null, json!({"kind": upload.kind.as_str()})).await?;
    let announced = Announced { id, status: upload.status };
    work.commit(StatusCode::CREATED, &json!(announced)).await?;
    Ok(answer(StatusCode::CREATED, with_url(&billing, &announced, request.size_bytes).await?))
}

fn object_key(id: UploadId) -> String {
    format!("uploads/{id}")
}

/// The answer with where the file goes.
async fn with_url(billing: &Billing, announced: &Announced, size_bytes: u32) -> Result<Value, Problem> {
    let url = presigned(billing, &object_key(announced.id), size_bytes).await?;
    let put = json!({
        "method": "PUT", "url": url, "expires_in_seconds": URL_LIFETIME.as_secs(),
        "headers": {"content-type": CONTENT_TYPE, "content-length": size_bytes.to_string()},
    });
    Ok(json!({"id": announced.id, "status": announced.status, "put": put}))
}

/// For whom the file speaks. A client's users speak for their client, whatever the body says; staff name the client;
/// a bank statement speaks for the bank.
fn speaks_for(caller: &Caller, request: &Request) -> Result<Option<ClientId>, Problem> {
    match request.kind {
        UploadKind::BankStatement => caller.may(Permission::UploadStatements).map(|_| None),
        UploadKind::PaymentConfirmation => match (caller.may(Permission::UploadConfirmations)?, request.client_id) {
            (Reach::Own(own), Some(named)) if own != named => Err(Problem::not_found("client", named)),
            (Reach::Own(own), _) => Ok(Some(own)),
            (Reach::All, Some(named)) => Ok(Some(named)),
            (Reach::All, None) => Err(Problem::invalid(vec![FieldProblem {
                pointer: "/client_id".to_owned(),
                detail: "is missing: say whose payments the file confirms".to_owned(),
            }])),
        },
    }
}

/// Shows an upload and its lines; a client sees its own only.
#[utoipa::path(
    get,
    path = "/v1/uploads/{id}",
    operation_id = "readUpload",
    tag = "uploads",
    params(UploadPath),
    responses((status = 200, description = "The upload.", body = UploadOutcome))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let reach = caller.may(Permission::Read)?;
    let id: UploadId = path_id("upload", &id)?;
    let found = uploads::find(&billing.database, id, reach.client_id()).await.map_err(unavailable)?;
    let (upload, lines) = found.ok_or_else(|| Problem::not_found("upload", id))?;
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| json!({"line": line.line, "transaction_id": line.transaction_id, "amount": line.amount}))
        .collect();
    Ok(Json(json!({
        "id": upload.id, "kind": upload.kind.as_str(), "status": upload.status, "refusal": upload.refusal,
        "created_at": upload.created_at, "lines": lines,
    })))
}

/// A URL that takes exactly this many bytes of CSV under this key.
async fn presigned(billing: &Billing, key: &str, size_bytes: u32) -> Result<String, Problem> {
    let failed = |error: &dyn std::error::Error| {
        tracing::error!(error = %error, "no upload URL can be signed");
        Problem::unavailable(2)
    };
    let lifetime = PresigningConfig::expires_in(URL_LIFETIME).map_err(|error| failed(&error))?;
    let request = billing
        .s3
        .put_object()
        .bucket(&billing.uploads_bucket)
        .key(key)
        .content_type(CONTENT_TYPE)
        .content_length(i64::from(size_bytes))
        .presigned(lifetime)
        .await
        .map_err(|error| failed(&error))?;
    Ok(request.uri().to_owned())
}

fn parse(body: &[u8]) -> Result<Request, Problem> {
    let mut fields = Fields::parse(body)?;
    let named = fields.text("kind", 1, KIND_LENGTH_MAX);
    let kind = named.and_then(|name| {
        let known = KINDS.into_iter().find(|kind| kind.as_str() == name);
        if known.is_none() {
            fields.problem("kind", format!("must be one of {}", KINDS.map(UploadKind::as_str).join(", ")));
        }
        known
    });
    let client_id = fields.optional("client_id");
    let size_bytes = fields.count("size_bytes", FILE_BYTES_MAX);
    fields.finish()?;
    match (kind, size_bytes) {
        (Some(kind), Some(size_bytes)) => Ok(Request { kind, client_id, size_bytes }),
        // A member that is None has left a problem behind, and `finish` has refused.
        _ => Err(Problem::invalid(Vec::new())),
    }
}
