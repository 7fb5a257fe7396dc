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
use quittance_lambda::problem::{FieldProblem, Problem};
use quittance_store::uploads::{self, FILE_BYTES_MAX, Upload, UploadKind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::work::{self, Work, answer};
use crate::{Billing, path_id, unavailable};

/// How long the URL takes a file.
const URL_LIFETIME: Duration = Duration::from_secs(15 * 60);

const CONTENT_TYPE: &str = "text/csv";

struct Request {
    kind: UploadKind,
    client_id: Option<ClientId>,
    size_bytes: u32,
}

/// Announces a file and gives the URL that takes it.
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
            let id = path_id("upload", known.get("id").and_then(Value::as_str).unwrap_or_default())?;
            return Ok(answer(status, with_url(&billing, known, &object_key(id), request.size_bytes).await?));
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
        status: "awaiting_file".to_owned(),
        refusal: None,
        created_at: Utc::now(),
    };
    uploads::insert(&mut work.transaction, &upload).await.map_err(unavailable)?;
    work.audit("upload.announced", id.to_string(), Value::Null, json!({"kind": upload.kind.as_str()})).await?;
    let shown = json!({"id": id, "status": upload.status});
    work.commit(StatusCode::CREATED, &shown).await?;
    Ok(answer(StatusCode::CREATED, with_url(&billing, shown, &upload.object_key, request.size_bytes).await?))
}

fn object_key(id: UploadId) -> String {
    format!("uploads/{id}")
}

/// The answer with where the file goes.
async fn with_url(billing: &Billing, shown: Value, object_key: &str, size_bytes: u32) -> Result<Value, Problem> {
    let url = presigned(billing, object_key, size_bytes).await?;
    let put = json!({
        "method": "PUT", "url": url, "expires_in_seconds": URL_LIFETIME.as_secs(),
        "headers": {"content-type": CONTENT_TYPE, "content-length": size_bytes.to_string()},
    });
    Ok(json!({"id": shown.get("id"), "status": shown.get("status"), "put": put}))
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
    let kind = match fields.text("kind", 1, 40).as_deref() {
        Some("payment_confirmation") => Some(UploadKind::PaymentConfirmation),
        Some("bank_statement") => Some(UploadKind::BankStatement),
        Some(_) => {
            fields.problem("kind", "must be payment_confirmation or bank_statement");
            None
        }
        None => None,
    };
    let client_id = fields.optional("client_id");
    let size_bytes = fields.count("size_bytes", FILE_BYTES_MAX);
    fields.finish()?;
    match (kind, size_bytes) {
        (Some(kind), Some(size_bytes)) => Ok(Request { kind, client_id, size_bytes }),
        // A member that is None has left a problem behind, and `finish` has refused.
        _ => Err(Problem::invalid(Vec::new())),
    }
}
