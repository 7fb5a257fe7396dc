//! `/v1/uploads`.

pub(crate) mod shapes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::StatusCode;
use quittance_domain::error::Chain;
use quittance_domain::id::{ClientId, InvoiceId, TransactionId, UploadId};
use quittance_domain::upload::{LineOutcome, UploadKind, UploadStatus};
use quittance_lambda::body::Faults;
use quittance_lambda::caller::{Caller, Permission, Reach};
use quittance_lambda::change::{ChangeHead, ChangeRequest, Changes, Reply};
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::UnknownInBody;
use quittance_lambda::path_id::PathId;
use quittance_lambda::permit::Permit;
use quittance_lambda::problem::Problem;
use quittance_lambda::query::{ListRequest, PageParameters};
use quittance_store::StoreError;
use quittance_store::upload_lines::{self, LineFilter, LineView};
use quittance_store::uploads::{self, Upload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Billing;
use crate::idempotent_change::IdempotentChange;
use crate::uploads::shapes::{
    AnnouncedUpload, FileRequest, LineParameters, NewUpload, UploadLineOutcome, UploadOutcome,
};

/// The lifetime of an upload URL.
const URL_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The stored part of the response to an announced file; the URL is not stored.
#[derive(Debug, Serialize, Deserialize)]
struct StoredAnnouncement {
    id: UploadId,
    status: String,
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
    ChangeRequest { head, body }: ChangeRequest<NewUpload>,
) -> Result<Response, Reply> {
    let client_id = speaks_for(&head.caller, &body)?;
    let uploaded_by = head.caller.name.clone();
    let mut work = begin(&billing, head, &body).await?;
    if let Some(client_id) = client_id
        && quittance_store::clients::find(&billing.database, client_id).await?.is_none()
    {
        return Err(Problem::not_found("client", client_id).into());
    }
    let id = UploadId::from_uuid(Uuid::now_v7());
    let upload = Upload {
        id,
        kind: body.kind,
        uploaded_by,
        client_id,
        object_key: object_key(id),
        content_type: body.media_type().to_owned(),
        options: body.csv_options(),
        typed: body.entered_payments(),
        status: UploadStatus::AwaitingFile,
        refusal: None,
        created_at: Utc::now(),
        progress: None,
    };
    uploads::insert(&mut work.transaction, &upload).await?;
    work.audit("upload.announced", id.to_string(), Value::Null, json!({"kind": upload.kind.as_str()})).await?;
    let announced = StoredAnnouncement { id, status: upload.status.to_string() };
    work.commit(StatusCode::CREATED, &announced).await?;
    Ok((StatusCode::CREATED, Json(with_url(&billing, announced, &body).await?)).into_response())
}

/// Begins the announcement. The URL is valid for minutes and is presigned again for each response; it is never stored.
async fn begin<'a>(billing: &'a Billing, head: ChangeHead, body: &NewUpload) -> Result<IdempotentChange<'a>, Reply> {
    match billing.begin(head).await {
        Err(Reply::Answered(status, known)) => {
            let known: StoredAnnouncement =
                serde_json::from_value(known).map_err(|error| StoreError::corrupt("billing.requests", error))?;
            Err(Reply::Answered(status, json!(with_url(billing, known, body).await?)))
        }
        begun => begun,
    }
}

fn object_key(id: UploadId) -> String {
    format!("uploads/{id}")
}

/// The response with the upload URL.
async fn with_url(
    billing: &Billing,
    announced: StoredAnnouncement,
    body: &NewUpload,
) -> Result<AnnouncedUpload, Problem> {
    let url = presigned(billing, &object_key(announced.id), body).await?;
    let StoredAnnouncement { id, status } = announced;
    Ok(AnnouncedUpload { id, status, put: FileRequest::new(url, body.media_type(), body.size_bytes.get()) })
}

/// The client on whose behalf the file is uploaded. A client's users always upload for their own client, whatever the
/// body states; staff name the client; a bank statement has none.
fn speaks_for(caller: &Caller, body: &NewUpload) -> Result<Option<ClientId>, Reply> {
    match body.kind {
        UploadKind::BankStatement => Ok(caller.may(Permission::UploadStatements).map(|_| None)?),
        UploadKind::PaymentConfirmation => match (caller.may(Permission::UploadConfirmations)?, body.client_id) {
            (Reach::Own(own), Some(named)) if own != named => Err(Problem::not_found("client", named).into()),
            (Reach::Own(own), _) => Ok(Some(own)),
            (Reach::All, Some(named)) => Ok(Some(named)),
            (Reach::All, None) => {
                Err(Faults::of("/client_id", "is missing: name the client whose payments the file confirms").into())
            }
        },
    }
}

/// Returns an upload with its progress and the outcome of its lines; clients see their own only.
#[utoipa::path(
    get,
    path = "/v1/uploads/{id}",
    operation_id = "readUpload",
    tag = "uploads",
    params(("id" = UploadId, Path, description = "The upload."), LineParameters, PageParameters),
    responses((status = 200, description = "The upload.", body = UploadOutcome))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    PathId(id): PathId<UploadId>,
    ListRequest { filters, page }: ListRequest<LineParameters, u64>,
) -> Result<Json<UploadOutcome>, Problem> {
    let filter = LineFilter { outcome: filters.outcome, after: page.after, client_id: reach.client_id() };
    let found = uploads::find(&billing.database, id, reach.client_id()).await?;
    let upload = found.ok_or_else(|| Problem::not_found("upload", id))?;
    let lines = upload_lines::list(&billing.database, id, filter, page.to_read()).await?;
    let counts = upload_lines::counts(&billing.database, id).await?;
    let outcomes = counts.into_iter().map(|(outcome, count)| (outcome.to_string(), count)).collect();
    let settled = lines.iter().filter(|view| view.settled_as == Some(LineOutcome::Matched));
    let names: Vec<&str> =
        settled.filter_map(|view| view.line.decision.transaction_id.as_ref()).map(TransactionId::as_str).collect();
    let allocated = upload_lines::allocated_to(&billing.database, &names).await?;
    let (lines, next_cursor) = page.cut(lines, |view| view.line.line.to_string());
    let progress = upload.progress.as_ref();
    Ok(Json(UploadOutcome {
        id: upload.id,
        kind: upload.kind,
        status: upload.status.as_str(),
        refusal: upload.refusal,
        created_at: upload.created_at,
        format: progress.map(|progress| progress.format.clone()),
        lines_total: progress.map(|progress| progress.lines_total),
        lines_done: progress.map_or(0, |progress| progress.lines_done),
        outcomes,
        lines: lines.iter().map(|view| shown(view, &allocated)).collect(),
        next_cursor,
    }))
}

/// A line, with the actual outcome of its money, if it differs from the decision when the line was read.
fn shown(view: &LineView, allocated: &HashMap<TransactionId, Vec<InvoiceId>>) -> UploadLineOutcome {
    let (line, decision) = (view.line.clone(), view.line.decision.clone());
    let (invoice_ids, since) = match view.settled_as {
        None => (decision.invoices, None),
        Some(LineOutcome::Matched) => {
            let invoices = decision.transaction_id.as_ref().and_then(|name| allocated.get(name));
            (invoices.cloned().unwrap_or_default(), Some("its payment was applied to an invoice since"))
        }
        Some(_) => (Vec::new(), Some("no invoice could take any of it: all of it is unapplied cash")),
    };
    let reasons: Vec<&str> = decision.reason.as_deref().into_iter().chain(since).collect();
    let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
    UploadLineOutcome {
        line: line.line,
        place: line.place,
        amount: line.amount,
        booked_on: line.booked_on,
        payer: line.payer,
        remittance: line.remittance,
        outcome: view.settled_as.unwrap_or(decision.outcome).as_str(),
        transaction_id: decision.transaction_id,
        payment_status: view.payment_status,
        score: decision.score,
        reason,
        matched_text: decision.matched_text,
        return_reason: line.return_reason,
        bank_fee: decision.bank_fee,
        invoice_ids,
        candidates: decision.candidates.unwrap_or_else(|| json!([])),
    }
}

/// A presigned URL for uploading exactly this many bytes of this type under this key, once: so the file that staff
/// reviewed and approved cannot be replaced.
async fn presigned(billing: &Billing, key: &str, body: &NewUpload) -> Result<String, Problem> {
    let lifetime = PresigningConfig::expires_in(URL_LIFETIME).map_err(|error| unsigned(&error))?;
    let signed = billing
        .s3
        .put_object()
        .bucket(&billing.uploads_bucket)
        .key(key)
        .content_type(body.media_type())
        .content_length(i64::from(body.size_bytes.get()))
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
