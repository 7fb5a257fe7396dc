//! Sends e-mails through Amazon SES and text messages through Amazon SNS.

use aws_config::SdkConfig;
use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{
    Attachment, AttachmentContentDisposition, Body, Content, Destination, EmailContent, Message, MessageHeader,
    MessageTag,
};
use quittance_domain::error::Chain;
use quittance_domain::notification::PhoneNumber;
use std::error::Error;

use crate::compose::Email;
use crate::outcome::{SendOutcome, of_error};

/// Errors by which Amazon SES refuses an e-mail for good.
const EMAIL_REFUSED: [&str; 2] = ["MessageRejected", "BadRequestException"];

/// Errors by which Amazon SNS refuses a text message for good.
const SMS_REFUSED: [&str; 3] = ["InvalidParameter", "InvalidParameterValue", "ValidationException"];

/// A receipt is a page or two; Amazon SES accepts 40 MB.
const ATTACHMENT_BYTES_MAX: i64 = 5 * 1024 * 1024;

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedFile {
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Sends e-mails.
#[derive(Debug, Clone)]
pub struct EmailSender {
    ses: aws_sdk_sesv2::Client,
    sender: String,
    configuration_set: String,
}

/// Reads the attachments of e-mails.
#[derive(Debug, Clone)]
pub struct Documents {
    s3: aws_sdk_s3::Client,
    bucket: String,
}

/// Sends text messages.
#[derive(Debug, Clone)]
pub struct TextMessages {
    sns: aws_sdk_sns::Client,
}

/// Why a document was not read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// S3 did not answer, or the body broke off.
    #[error("{key} cannot be read")]
    Unreadable {
        key: String,
        /// The failure.
        source: Box<dyn Error + Send + Sync>,
    },
    /// More bytes than can be attached.
    #[error("{0} has more than {ATTACHMENT_BYTES_MAX} bytes")]
    TooLarge(String),
}

impl Documents {
    /// The documents in a bucket.
    #[must_use]
    pub fn new(aws: &SdkConfig, bucket: String) -> Self {
        Self { s3: quittance_lambda::aws::s3(aws), bucket }
    }

    /// Reads a PDF.
    ///
    /// # Errors
    /// [`DocumentError`] if the document cannot be read.
    pub async fn read(&self, key: &str, name: &str) -> Result<AttachedFile, DocumentError> {
        let unreadable =
            |source: Box<dyn Error + Send + Sync>| DocumentError::Unreadable { key: key.to_owned(), source };
        let answer = self.s3.get_object().bucket(&self.bucket).key(key).send().await;
        let answer = answer.map_err(|error| unreadable(Box::new(error.into_service_error())))?;
        if answer.content_length().is_none_or(|length| length > ATTACHMENT_BYTES_MAX) {
            return Err(DocumentError::TooLarge(key.to_owned()));
        }
        let bytes = answer.body.collect().await.map_err(|error| unreadable(error.into()))?;
        Ok(AttachedFile { name: format!("{name}.pdf"), bytes: bytes.to_vec() })
    }
}

impl EmailSender {
    /// E-mails from a verified address, through a configuration set by which Amazon SES reports on them.
    #[must_use]
    pub fn new(aws: &SdkConfig, sender: String, configuration_set: String) -> Self {
        Self { ses: aws_sdk_sesv2::Client::new(aws), sender, configuration_set }
    }

    /// Sends an e-mail through Amazon SES, with tags by which later reports identify it.
    pub async fn send(
        &self,
        to: &str,
        email: &Email,
        file: Option<AttachedFile>,
        tags: &[(&str, String)],
    ) -> SendOutcome {
        let (content, tags) = match (content(email, file), message_tags(tags)) {
            (Ok(content), Ok(tags)) => (content, tags),
            (Err(error), _) | (_, Err(error)) => {
                return SendOutcome::Refused(format!("the e-mail cannot be built: {}", Chain(&error)));
            }
        };
        let request = self
            .ses
            .send_email()
            .from_email_address(&self.sender)
            .destination(Destination::builder().to_addresses(to).build())
            .configuration_set_name(&self.configuration_set)
            .set_email_tags(Some(tags))
            .content(content);
        match request.send().await {
            Ok(answer) => SendOutcome::Taken(answer.message_id.unwrap_or_default()),
            Err(error) => of_error(&error, &EMAIL_REFUSED),
        }
    }
}

impl TextMessages {
    /// Text messages through Amazon SNS.
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        Self { sns: aws_sdk_sns::Client::new(aws) }
    }

    /// Sends a text message through Amazon SNS.
    pub async fn send(&self, to: &PhoneNumber, text: &str) -> SendOutcome {
        match self.sns.publish().phone_number(to.to_string()).message(text).send().await {
            Ok(answer) => SendOutcome::Taken(answer.message_id.unwrap_or_default()),
            Err(error) => of_error(&error, &SMS_REFUSED),
        }
    }
}

fn message_tags(tags: &[(&str, String)]) -> Result<Vec<MessageTag>, BuildError> {
    tags.iter().map(|(name, value)| MessageTag::builder().name(*name).value(value).build()).collect()
}

fn content(email: &Email, file: Option<AttachedFile>) -> Result<EmailContent, BuildError> {
    let text = |data: &str| Content::builder().data(data).charset("UTF-8").build();
    let body = Body::builder().text(text(&email.text)?).html(text(&email.html)?).build();
    // RFC 3834: prevents automatic replies.
    let header = MessageHeader::builder().name("Auto-Submitted").value("auto-generated").build()?;
    let message = Message::builder().subject(text(&email.subject)?).body(body).headers(header);
    let message = match file {
        Some(file) => message.attachments(attachment(file)?),
        None => message,
    };
    Ok(EmailContent::builder().simple(message.build()).build())
}

fn attachment(file: AttachedFile) -> Result<Attachment, BuildError> {
    Attachment::builder()
        .file_name(file.name)
        .content_type("application/pdf")
        .content_disposition(AttachmentContentDisposition::Attachment)
        .raw_content(Blob::new(file.bytes))
        .build()
}
