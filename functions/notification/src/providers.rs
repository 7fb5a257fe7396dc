//! Handing e-mails to Amazon SES and text messages to Amazon SNS.

use aws_config::SdkConfig;
use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{
    Attachment, AttachmentContentDisposition, Body, Content, Destination, EmailContent, Message, MessageHeader,
    MessageTag,
};
use quittance_domain::notification::PhoneNumber;

use crate::compose::Email;
use crate::outcome::{SendOutcome, of_error};

/// What Amazon SES will never take.
const EMAIL_REFUSED: [&str; 2] = ["MessageRejected", "BadRequestException"];

/// What Amazon SNS will never take.
const SMS_REFUSED: [&str; 3] = ["InvalidParameter", "InvalidParameterValue", "ValidationException"];

/// A receipt is a page or two; Amazon SES takes 40 MB.
const ATTACHMENT_BYTES_MAX: i64 = 5 * 1024 * 1024;

/// A file that goes with an e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedFile {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Sends e-mails.
#[derive(Debug, Clone)]
pub struct EmailSender {
    ses: aws_sdk_sesv2::Client,
    sender: String,
    configuration_set: String,
}

/// The documents that go with e-mails.
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

impl Documents {
    /// The documents in a bucket.
    #[must_use]
    pub fn new(aws: &SdkConfig, bucket: String) -> Self {
        Self { s3: quittance_lambda::aws::s3(aws), bucket }
    }

    /// Reads a PDF.
    ///
    /// # Errors
    /// A sentence.
    pub async fn read(&self, key: &str, name: &str) -> Result<AttachedFile, String> {
        let answer = self.s3.get_object().bucket(&self.bucket).key(key).send().await;
        let answer = answer.map_err(|error| format!("{key} cannot be read: {}", error.into_service_error()))?;
        if answer.content_length().is_none_or(|length| length > ATTACHMENT_BYTES_MAX) {
            return Err(format!("{key} has more than {ATTACHMENT_BYTES_MAX} bytes"));
        }
        let bytes = answer.body.collect().await.map_err(|error| format!("{key} cannot be read: {error}"))?;
        Ok(AttachedFile { name: format!("{name}.pdf"), bytes: bytes.to_vec() })
    }
}

impl EmailSender {
    /// E-mails from a verified address, through a configuration set by which Amazon SES tells what became of them.
    #[must_use]
    pub fn new(aws: &SdkConfig, sender: String, configuration_set: String) -> Self {
        Self { ses: aws_sdk_sesv2::Client::new(aws), sender, configuration_set }
    }

    /// Hands an e-mail to Amazon SES, with tags by which it tells of it later.
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
                return SendOutcome::Refused(format!("the e-mail cannot be built: {error}"));
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

    /// Hands a text message to Amazon SNS.
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
    // RFC 3834: nobody's holiday answers this.
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
