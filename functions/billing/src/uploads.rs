//! `/v1/uploads`.

pub(crate) mod shapes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::Utc;
use http::{HeaderMap, StatusCode};
use quittance_domain::error::Chain;
use quittance_domain::id::{ClientId, InvoiceId, TransactionId, UploadId};
use quittance_domain::upload::{LineOutcome, STATEMENT_BYTES_MAX, UploadKind, UploadStatus};
use quittance_formats::{ConfirmationReader, CsvOptions};
use quittance_lambda::caller::{Caller, Permission, Reach};
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::UnknownInBody;
use quittance_lambda::problem::{FieldProblem, Problem};
use quittance_store::StoreError;
use quittance_store::upload_lines::{self, LineFilter, LineView};
use quittance_store::uploads::{self, Upload};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::idempotent_change::{self, IdempotentChange, answer};
use crate::page::{PageParameters, PageQuery, query_value};
use crate::uploads::shapes::{AnnouncedUpload, LineParameters, NewUpload, UploadOutcome, UploadPath};
use crate::{Billing, path_id, unavailable};

/// The lifetime of an upload URL.
const URL_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Media types of files that are parsed; their format is detected from the content.
const FILE_TYPES: [&str; 6] =
    ["text/csv", "application/xml", "text/xml", "text/plain", "application/json", "application/zip"];

/// Media types of images for staff to review, uploaded with payments that a client entered.
const PICTURE_TYPES: [&str; 3] = ["application/pdf", "image/png", "image/jpeg"];

/// The maximum number of payments entered with an image.
const TYPED_MAX: usize = 100;

/// Longer than the name of any media type.
const TYPE_LENGTH_MAX: usize = 60;

/// The stored part of the response to an announced file; the URL is not stored.
#[derive(Debug, Serialize, Deserialize)]
struct StoredAnnouncement {
    id: UploadId,
    status: String,
}

struct UploadRequest {
    kind: UploadKind,
    client_id: Option<ClientId>,
    size_bytes: u32,
    content_type: String,
    options: Value,
    typed: Option<Value>,
}

/// Announces a file and returns the presigned URL to upload it to.
#[utoipa::path(
    post,
    path = "/v1/uploads",
    operation_id = "startUpload",
    tag = "uploads",
    params(ChangeHeaders),
    request_body = NewUpload,
    responses((status = 201, description = "The announced upload, with the URL for the file.", body = AnnouncedUpload), UnknownInBody)
)]
pub(crate) async fn start(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let request = parse(&body)?;
    let client_id = speaks_for(&caller, &request)?;
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &[b"POST /v1/uploads", &body]).await? {
        // The URL is valid for minutes and is presigned again for each response; it is never stored.
        idempotent_change::ChangeRequest::Answered(status, known) => {
            let known: StoredAnnouncement = serde_json::from_value(known)
                .map_err(|error| unavailable(StoreError::corrupt("billing.requests", error)))?;
            return Ok(answer(status, with_url(&billing, &known, &request).await?));
        }
        idempotent_change::ChangeRequest::New(work) => work,
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
        content_type: request.content_type.clone(),
        options: request.options.clone(),
        typed: request.typed.clone(),
        status: UploadStatus::AwaitingFile,
        refusal: None,
        created_at: Utc::now(),
        progress: None,
    };
    uploads::insert(&mut work.transaction, &upload).await.map_err(unavailable)?;
    work.audit("upload.announced", id.to_string(), Value::Null, json!({"kind": upload.kind.as_str()})).await?;
    let announced = StoredAnnouncement { id, status: upload.status.to_string() };
    work.commit(StatusCode::CREATED, &json!(announced)).await?;
    Ok(answer(StatusCode::CREATED, with_url(&billing, &announced, &request).await?))
}

fn object_key(id: UploadId) -> String {
    format!("uploads/{id}")
}

/// The response with the upload URL.
async fn with_url(
    billing: &Billing,
    announced: &StoredAnnouncement,
    request: &UploadRequest,
) -> Result<Value, Problem> {
    let url = presigned(billing, &object_key(announced.id), request).await?;
    let put = json!({
        "method": "PUT", "url": url, "expires_in_seconds": URL_LIFETIME.as_secs(),
        "headers": {
            "content-type": request.content_type, "content-length": request.size_bytes.to_string(), "if-none-match": "*",
        },
    });
    Ok(json!({"id": announced.id, "status": announced.status, "put": put}))
}

/// The client on whose behalf the file is uploaded. A client's users always upload for their own client, whatever the
/// body states; staff name the client; a bank statement has none.
fn speaks_for(caller: &Caller, request: &UploadRequest) -> Result<Option<ClientId>, Problem> {
    match request.kind {
        UploadKind::BankStatement => caller.may(Permission::UploadStatements).map(|_| None),
        UploadKind::PaymentConfirmation => match (caller.may(Permission::UploadConfirmations)?, request.client_id) {
            (Reach::Own(own), Some(named)) if own != named => Err(Problem::not_found("client", named)),
            (Reach::Own(own), _) => Ok(Some(own)),
            (Reach::All, Some(named)) => Ok(Some(named)),
            (Reach::All, None) => Err(Problem::invalid(vec![FieldProblem {
                pointer: "/client_id".to_owned(),
                detail: "is missing: name the client whose payments the file confirms".to_owned(),
            }])),
        },
    }
}

/// The query of the lines' outcomes.
#[derive(Debug, Deserialize)]
pub(crate) struct LineQuery {
    outcome: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

/// Returns an upload with its progress and the outcome of its lines; clients see their own only.
#[utoipa::path(
    get,
    path = "/v1/uploads/{id}",
    operation_id = "readUpload",
    tag = "uploads",
    params(UploadPath, LineParameters, PageParameters),
    responses((status = 200, description = "The upload.", body = UploadOutcome))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<LineQuery>,
) -> Result<Json<Value>, Problem> {
    let reach = caller.may(Permission::Read)?;
    let id: UploadId = path_id("upload", &id)?;
    let page = query.page.page::<u64>()?;
    let filter = LineFilter {
        outcome: query_value("outcome", query.outcome.as_deref())?,
        after: page.after,
        client_id: reach.client_id(),
    };
    let found = uploads::find(&billing.database, id, reach.client_id()).await.map_err(unavailable)?;
    let upload = found.ok_or_else(|| Problem::not_found("upload", id))?;
    let lines = upload_lines::list(&billing.database, id, filter, page.to_read()).await.map_err(unavailable)?;
    let counts = upload_lines::counts(&billing.database, id).await.map_err(unavailable)?;
    let counts: Map<String, Value> =
        counts.into_iter().map(|(outcome, count)| (outcome.to_string(), json!(count))).collect();
    let settled = lines.iter().filter(|view| view.settled_as == Some(LineOutcome::Matched));
    let names: Vec<&str> =
        settled.filter_map(|view| view.line.decision.transaction_id.as_ref()).map(TransactionId::as_str).collect();
    let allocated = upload_lines::allocated_to(&billing.database, &names).await.map_err(unavailable)?;
    let lines = lines.iter().map(|view| (view.line.line.to_string(), to_json(view, &allocated))).collect();
    let progress = upload.progress.as_ref();
    let mut answer = page.answer("lines", lines);
    let about = json!({
        "id": upload.id, "kind": upload.kind.as_str(), "status": upload.status.as_str(), "refusal": upload.refusal,
        "created_at": upload.created_at, "format": progress.map(|progress| &progress.format),
        "lines_total": progress.map(|progress| progress.lines_total),
        "lines_done": progress.map_or(0, |progress| progress.lines_done), "outcomes": counts,
    });
    if let (Some(answer), Value::Object(about)) = (answer.as_object_mut(), about) {
        answer.extend(about);
    }
    Ok(Json(answer))
}

/// A line as JSON: with the actual outcome of its money, if it differs from the decision when the line was read.
fn to_json(view: &LineView, allocated: &HashMap<TransactionId, Vec<InvoiceId>>) -> Value {
    let (line, decision) = (&view.line, &view.line.decision);
    let outcome = view.settled_as.unwrap_or(decision.outcome);
    let (invoices, since) = match view.settled_as {
        None => (decision.invoices.clone(), None),
        Some(LineOutcome::Matched) => {
            let invoices = decision.transaction_id.as_ref().and_then(|name| allocated.get(name));
            (invoices.cloned().unwrap_or_default(), Some("its payment was applied to an invoice since"))
        }
        Some(_) => (Vec::new(), Some("no invoice could take any of it: all of it is unapplied cash")),
    };
    let reasons: Vec<&str> = decision.reason.as_deref().into_iter().chain(since).collect();
    let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
    json!({
        "line": line.line, "place": line.place, "amount": line.amount, "booked_on": line.booked_on, "payer": line.payer,
        "remittance": line.remittance, "outcome": outcome.as_str(), "transaction_id": decision.transaction_id,
        "payment_status": view.payment_status, "score": decision.score, "reason": reason,
        "matched_text": decision.matched_text, "return_reason": line.return_reason, "bank_fee": decision.bank_fee,
        "invoice_ids": invoices, "candidates": decision.candidates.clone().unwrap_or_else(|| json!([])),
    })
}

/// A presigned URL for uploading exactly this many bytes of this type under this key, once: so the file that staff
/// reviewed and approved cannot be replaced.
async fn presigned(billing: &Billing, key: &str, request: &UploadRequest) -> Result<String, Problem> {
    let lifetime = PresigningConfig::expires_in(URL_LIFETIME).map_err(|error| unsigned(&error))?;
    let signed = billing
        .s3
        .put_object()
        .bucket(&billing.uploads_bucket)
        .key(key)
        .content_type(&request.content_type)
        .content_length(i64::from(request.size_bytes))
        .if_none_match("*")
        .presigned(lifetime)
        .await
        .map_err(|error| unsigned(&error))?;
    Ok(signed.uri().to_owned())
}

/// A presigned URL for an upload's image, which browsers download rather than display, because a client uploaded it.
pub(crate) async fn picture_url(billing: &Billing, id: UploadId) -> Result<String, Problem> {
    let lifetime = PresigningConfig::expires_in(URL_LIFETIME).map_err(|error| unsigned(&error))?;
    let request = billing.s3.get_object().bucket(&billing.uploads_bucket).key(object_key(id));
    let signed = request.response_content_disposition("attachment").presigned(lifetime).await;
    signed.map(|signed| signed.uri().to_owned()).map_err(|error| unsigned(&error))
}

fn unsigned(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = %Chain(&error), "presigned URL could not be created");
    Problem::unavailable(2)
}

fn parse(body: &[u8]) -> Result<UploadRequest, Problem> {
    let mut fields = Fields::parse(body)?;
    let kind = fields.required::<UploadKind>("kind");
    let client_id = fields.optional("client_id");
    let size_bytes = fields.count("size_bytes", kind.map_or(STATEMENT_BYTES_MAX, UploadKind::bytes_max));
    let content_type =
        fields.optional_text("content_type", TYPE_LENGTH_MAX).unwrap_or_else(|| FILE_TYPES[0].to_owned());
    let is_picture = PICTURE_TYPES.contains(&content_type.as_str());
    if !is_picture && !FILE_TYPES.contains(&content_type.as_str()) {
        let known: Vec<&str> = FILE_TYPES.into_iter().chain(PICTURE_TYPES).collect();
        fields.problem("content_type", format!("must be one of {}", known.join(", ")));
    }
    let options = fields.value("csv").unwrap_or_else(|| json!({}));
    if let Err(error) = serde_json::from_value::<CsvOptions>(options.clone()) {
        fields.problem("csv", error);
    }
    let typed = fields.value("payments").map(|payments| json!({"payments": payments}));
    if is_picture && (typed.is_none() || kind == Some(UploadKind::BankStatement)) {
        fields.problem("payments", "must list the payments that the image shows; a bank statement cannot be an image");
    }
    if let Some(typed) = &typed {
        if is_picture {
            check_typed(&mut fields, typed);
        } else {
            fields.problem("payments", "are allowed only with an image; this file contains its payments");
        }
    }
    fields.finish()?;
    match (kind, size_bytes) {
        (Some(kind), Some(size_bytes)) => {
            Ok(UploadRequest { kind, client_id, size_bytes, content_type, options, typed })
        }
        // A member that is `None` has recorded a problem, so `finish` has failed already.
        _ => Err(Problem::invalid(Vec::new())),
    }
}

/// Entered payments are parsed like a file of confirmations.
fn check_typed(fields: &mut Fields, typed: &Value) {
    let text = typed.to_string();
    let mut count = 0;
    let read = ConfirmationReader::open(text.as_bytes(), &CsvOptions::default()).and_then(|mut reader| {
        while reader.next_confirmation()?.is_some() {
            count += 1;
        }
        Ok(())
    });
    if let Err(error) = read {
        fields.problem("payments", error);
    } else if count > TYPED_MAX {
        fields.problem("payments", format!("must be at most {TYPED_MAX}; for more, upload a file"));
    }
}
