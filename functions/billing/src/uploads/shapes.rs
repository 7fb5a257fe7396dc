//! Bodies of uploads.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use deserr::{Deserr, IntoValue, ValuePointerRef};
use quittance_domain::id::{ClientId, InvoiceId, Provider, TransactionId, UploadId};
use quittance_domain::money::{Money, PositiveMoney};
use quittance_domain::payment::PaymentStatus;
use quittance_domain::upload::{LineOutcome, STATEMENT_BYTES_MAX, UploadKind, UploadStatus};
use quittance_formats::{ConfirmationReader, CsvOptions};
use quittance_lambda::body::times::Day;
use quittance_lambda::body::values::{List, Text, Whole};
use quittance_lambda::body::{Faults, parsed};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::URL_LIFETIME;

/// Media types of files that are parsed; their format is detected from the content.
const FILE_TYPES: [&str; 6] =
    ["text/csv", "application/xml", "text/xml", "text/plain", "application/json", "application/zip"];

/// Media types of images for staff to review, uploaded with payments that a client entered.
const PICTURE_TYPES: [&str; 3] = ["application/pdf", "image/png", "image/jpeg"];

/// The maximum number of payments entered with an image.
const TYPED_MAX: usize = 100;

/// The media type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct MediaType(&'static str);

impl MediaType {
    fn all() -> impl Iterator<Item = &'static str> {
        FILE_TYPES.into_iter().chain(PICTURE_TYPES)
    }

    fn is_picture(self) -> bool {
        PICTURE_TYPES.contains(&self.0)
    }
}

impl Default for MediaType {
    fn default() -> Self {
        Self(FILE_TYPES[0])
    }
}

impl Deserr<Faults> for MediaType {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let text: String = parsed(value, location)?;
        let known = || format!("must be one of {}", Self::all().collect::<Vec<_>>().join(", "));
        Self::all().find(|known| *known == text).map(Self).ok_or_else(|| Faults::at(location, known()))
    }
}

impl PartialSchema for MediaType {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::all())).into()
    }
}

impl ToSchema for MediaType {}

/// The size of a file, in bytes.
type FileSize = Whole<1, STATEMENT_BYTES_MAX>;

/// The payments that an image shows.
type EnteredPayments = List<EnteredPayment, 1, TYPED_MAX>;

/// A payment that the image shows.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
pub(crate) struct EnteredPayment {
    transaction_id: TransactionId,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<Provider>,
    /// The number printed on the invoice that it pays.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_number: Option<PrintedNumber>,
    /// The amount.
    amount: PositiveMoney,
    /// The day of the payment.
    paid_on: Day,
}

/// Options that can be read, as they were given.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GivenOptions(Value);

impl Deserr<Faults> for GivenOptions {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let given = Value::from(value);
        CsvOptions::deserialize_from_value(given.clone().into_value(), location).map(|_| Self(given))
    }
}

/// The number printed on an invoice.
type PrintedNumber = Text<1, 50>;

/// A file to upload.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields, validate = readable -> Faults)]
#[schema(examples(json!({
    "kind": "payment_confirmation", "client_id": ClientId::EXAMPLE, "size_bytes": 184,
    "csv": {"delimiter": ";", "decimal": "comma", "columns": {"amount": "Betrag"}},
})))]
pub(crate) struct NewUpload {
    /// The kind of upload.
    pub(super) kind: UploadKind,
    /// The client whose payments the file confirms; required from staff, optional for a client's own users.
    #[deserr(default)]
    pub(super) client_id: Option<ClientId>,
    /// The file's exact size; a confirmation has at most 10 MiB.
    pub(super) size_bytes: FileSize,
    /// The file's media type; `text/csv` by default.
    #[deserr(default)]
    content_type: Option<MediaType>,
    /// How to read an ambiguous CSV file. Options that are left out are detected from the file; if that is not
    /// possible, it is refused. `columns` assigns columns, by name or by position from 1: `{"direction": "7"}`.
    #[deserr(default)]
    #[schema(value_type = Option<CsvOptions>)]
    csv: Option<GivenOptions>,
    /// With an image (PDF, PNG, JPEG): the payments that it shows.
    #[deserr(default)]
    payments: Option<EnteredPayments>,
}

impl NewUpload {
    pub(super) fn media_type(&self) -> &'static str {
        self.content_type.unwrap_or_default().0
    }

    pub(super) fn csv_options(&self) -> Value {
        self.csv.clone().map_or_else(|| json!({}), |GivenOptions(options)| options)
    }

    /// The payments that were entered with an image, in the format of a file of confirmations.
    pub(super) fn entered_payments(&self) -> Option<Value> {
        self.payments.as_ref().map(|payments| json!({"payments": payments}))
    }
}

/// Checks the members that depend on each other.
fn readable(upload: NewUpload, location: ValuePointerRef<'_>) -> Result<NewUpload, Faults> {
    let mut faults = Faults::default();
    let mut fault = |member: &str, detail: String| faults.merge(Faults::at(location.push_key(member), detail));
    let bytes_max = upload.kind.bytes_max();
    if upload.size_bytes.get() > bytes_max {
        fault("size_bytes", format!("must be a whole number from 1 to {bytes_max}"));
    }
    let is_picture = upload.content_type.unwrap_or_default().is_picture();
    match upload.entered_payments() {
        None if is_picture => fault("payments", "must list the payments that the image shows".to_owned()),
        Some(_) if !is_picture => {
            fault("payments", "are allowed only with an image; this file contains its payments".to_owned());
        }
        Some(payments) => {
            if let Err(error) = read_entered(&payments) {
                fault("payments", error.to_string());
            }
        }
        None => {}
    }
    if is_picture && upload.kind == UploadKind::BankStatement {
        fault("content_type", "a bank statement cannot be an image".to_owned());
    }
    if faults.is_empty() { Ok(upload) } else { Err(faults) }
}

/// Entered payments are read like a file of confirmations.
fn read_entered(payments: &Value) -> Result<(), quittance_formats::ReadError> {
    let text = payments.to_string();
    let mut reader = ConfirmationReader::open(text.as_bytes(), &CsvOptions::default())?;
    while reader.next_confirmation()?.is_some() {}
    Ok(())
}

/// An announced file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnnouncedUpload {
    pub(super) id: UploadId,
    /// Status.
    #[schema(value_type = UploadStatus)]
    pub(super) status: String,
    pub(super) put: FileRequest,
}

/// The request that uploads the file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileRequest {
    /// The method: `PUT`.
    method: &'static str,
    /// The URL, created per request. It contains a signature: keep it out of logs.
    url: String,
    /// How long the URL is valid.
    #[schema(minimum = 1)]
    expires_in_seconds: u64,
    headers: FileHeaders,
}

/// The headers that it must have, unchanged.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
struct FileHeaders {
    /// The file's media type.
    #[schema(value_type = MediaType)]
    content_type: &'static str,
    /// The file's size.
    #[schema(pattern = "^[1-9][0-9]*$")]
    content_length: String,
    /// `*`: the URL accepts one file, which cannot be replaced.
    if_none_match: &'static str,
}

impl FileRequest {
    pub(super) fn new(url: String, media_type: &'static str, size_bytes: u32) -> Self {
        let headers =
            FileHeaders { content_type: media_type, content_length: size_bytes.to_string(), if_none_match: "*" };
        Self { method: "PUT", url, expires_in_seconds: URL_LIFETIME.as_secs(), headers }
    }
}

/// The filters of lines.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LineParameters {
    /// Only lines with this outcome.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    pub(super) outcome: Option<LineOutcome>,
}

/// An upload and the outcomes of its lines.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadOutcome {
    pub(super) id: UploadId,
    /// The kind of upload.
    pub(super) kind: UploadKind,
    /// Status.
    #[schema(value_type = UploadStatus)]
    pub(super) status: &'static str,
    /// Why the file was refused.
    #[schema(required)]
    pub(super) refusal: Option<String>,
    /// When it was announced.
    pub(super) created_at: DateTime<Utc>,
    /// The detected format, and how the file is read.
    #[schema(required)]
    pub(super) format: Option<String>,
    /// The number of lines; null until the whole file was checked.
    #[schema(required)]
    pub(super) lines_total: Option<u64>,
    /// The number of lines with an outcome.
    pub(super) lines_done: u64,
    /// The number of lines by outcome.
    #[schema(value_type = Object)]
    pub(super) outcomes: BTreeMap<String, u64>,
    /// A page of its lines, in order.
    pub(super) lines: Vec<UploadLineOutcome>,
    /// Cursor of the next page; null on the last.
    #[schema(required)]
    pub(super) next_cursor: Option<String>,
}

/// A line and its outcome.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadLineOutcome {
    /// The number of the line.
    pub(super) line: u64,
    /// The position in the file.
    pub(super) place: String,
    pub(super) amount: Money,
    /// The day on which it was booked or paid.
    #[schema(required)]
    pub(super) booked_on: Option<NaiveDate>,
    /// The payer, as the bank reports it.
    #[schema(required)]
    pub(super) payer: Option<String>,
    /// The remittance information.
    #[schema(required)]
    pub(super) remittance: Option<String>,
    /// The outcome.
    #[schema(value_type = LineOutcome)]
    pub(super) outcome: &'static str,
    /// The payment that it reports; null if the line was not queued.
    #[schema(required)]
    pub(super) transaction_id: Option<TransactionId>,
    /// The status of that payment; null until it is recorded.
    #[schema(required)]
    pub(super) payment_status: Option<PaymentStatus>,
    /// The score of the match, from 0 to 100.
    #[schema(required)]
    pub(super) score: Option<u8>,
    /// The reason for the outcome.
    #[schema(required)]
    pub(super) reason: Option<String>,
    /// The text or reference that names the invoice; null if nothing does.
    #[schema(required)]
    pub(super) matched_text: Option<String>,
    /// Why the money was returned: the bank's code or text.
    #[schema(required)]
    pub(super) return_reason: Option<String>,
    /// The bank's fee for a return, included in the amount.
    #[schema(required)]
    pub(super) bank_fee: Option<Money>,
    /// The invoices that it pays, in this order.
    pub(super) invoice_ids: Vec<InvoiceId>,
    /// Candidate invoices, best first; staff decide.
    #[schema(value_type = Vec<CandidateInvoice>)]
    pub(super) candidates: Value,
}

/// A candidate invoice: an open item that a bank line may settle.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes stored JSON")]
pub(crate) struct CandidateInvoice {
    invoice_id: InvoiceId,
    /// The invoice's number.
    number: String,
    /// The score, from 0 to 100.
    score: u8,
    /// The evidence for and against it.
    reason: String,
}
