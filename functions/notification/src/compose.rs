//! Renders messages from `templates/<language>/<event>.{txt,html,sms}`; the first line of `.txt` is the subject.
//!
//! Templates are Jinja; amounts and days are already formatted in the client's language. A language without a template
//! gets the English one.

use std::sync::Arc;

use include_dir::{Dir, include_dir};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use quittance_domain::event::{InvoiceEvent, InvoiceSummary, PaymentSummary};
use quittance_domain::language::Language;
use quittance_domain::money::Money;
use quittance_domain::party::ClientDetails;
use quittance_wording::{amount, long_date};
use serde::Serialize;

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The prefix of the subject in the first line.
const SUBJECT: &str = "Subject: ";

/// The longest text message: 4 parts of 153 characters, each of which is billed.
const SMS_LENGTH_MAX: usize = 612;

/// An e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Its subject: one line.
    pub subject: String,
    /// The plain-text body.
    pub text: String,
    /// The HTML body.
    pub html: String,
}

/// All templates.
#[derive(Debug, Clone)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
    seller: String,
}

/// The data for a template. A member that an event does not have is undefined, and a template that uses it fails: tests
/// render every template.
#[derive(Debug, Clone, Default, Serialize)]
struct TemplateData {
    seller: String,
    language: String,
    client: String,
    /// The amount shown prominently; none if there is no single amount.
    amount: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice: Option<InvoiceData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit_note: Option<String>,
    /// The reason, by its name in the events.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// A refund does not reopen the invoice.
    stays_settled: bool,
    /// The reason as free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct InvoiceData {
    number: String,
    total: String,
    paid: String,
    remaining: String,
    is_paid: bool,
    issued_on: String,
    due_on: String,
}

#[derive(Debug, Clone, Serialize)]
struct PaymentData {
    amount: String,
    paid_on: String,
    transaction_id: String,
}

/// Why a message cannot be composed.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A template is not UTF-8.
    #[error("the template {0} is no text")]
    NotText(String),
    /// A template is missing, cannot be parsed, or names a value that there is not.
    #[error("the template failed")]
    Jinja(#[from] minijinja::Error),
    /// The text does not begin with its subject.
    #[error("the first line is no `{SUBJECT}`")]
    NoSubject,
    /// The text message is too long.
    #[error("a text message has at most {SMS_LENGTH_MAX} letters")]
    TooLong,
}

impl Templates {
    /// Parses the templates, which are embedded in the binary.
    ///
    /// # Errors
    /// [`TemplateError`] if one cannot be parsed.
    pub fn new(seller: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        let languages = TEMPLATES.dirs().flat_map(|language| language.files());
        for file in TEMPLATES.files().chain(languages) {
            let name = file.path().to_str().ok_or_else(|| TemplateError::NotText(file.path().display().to_string()))?;
            let text = file.contents_utf8().ok_or_else(|| TemplateError::NotText(name.to_owned()))?;
            environment.add_template(name, text)?;
        }
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        Ok(Self { environment: Arc::new(environment), seller: seller.to_owned() })
    }

    /// The e-mail about an event to a client.
    ///
    /// # Errors
    /// [`TemplateError`] if there is no template for it, or rendering fails.
    pub fn email(&self, event: &InvoiceEvent, client: &ClientDetails) -> Result<Email, TemplateError> {
        let mut facts = self.facts(event, client);
        let text = self.render(event, client.language, "txt", &facts)?;
        let (first, text) = text.split_once('\n').unwrap_or((&text, ""));
        let subject = first.strip_prefix(SUBJECT).ok_or(TemplateError::NoSubject)?;
        // A line break would start another header.
        let subject: String = subject.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        facts.subject = Some(subject.clone());
        let html = self.render(event, client.language, "html", &facts)?;
        Ok(Email { subject, text: text.trim_start().to_owned(), html })
    }

    /// The text message about an event to a client.
    ///
    /// # Errors
    /// [`TemplateError`] if there is no template for it, rendering fails, or the text is too long.
    pub fn sms(&self, event: &InvoiceEvent, client: &ClientDetails) -> Result<String, TemplateError> {
        let text = self.render(event, client.language, "sms", &self.facts(event, client))?;
        let text = text.trim();
        if text.chars().count() > SMS_LENGTH_MAX {
            return Err(TemplateError::TooLong);
        }
        Ok(text.to_owned())
    }

    fn render(
        &self,
        event: &InvoiceEvent,
        language: Language,
        kind: &str,
        facts: &TemplateData,
    ) -> Result<String, TemplateError> {
        let name = |language: &str| format!("{language}/{}.{kind}", event.type_name());
        let found = self.environment.get_template(&name(language.as_str()));
        let template = found.or_else(|_| self.environment.get_template(&name(Language::ENGLISH.as_str())));
        Ok(template.and_then(|template| template.render(Serde(facts)))?)
    }

    fn facts(&self, event: &InvoiceEvent, client: &ClientDetails) -> TemplateData {
        let language = client.language;
        let sum = |money: Money| Some(amount(language, money));
        let facts = TemplateData {
            seller: self.seller.clone(),
            language: language.to_string(),
            client: client.name.clone(),
            invoice: event.invoice().map(|summary| invoice(language, summary)),
            payment: event.payment().map(|summary| payment(language, summary)),
            ..TemplateData::default()
        };
        match event {
            InvoiceEvent::Issued(changed) | InvoiceEvent::Voided(changed) => {
                TemplateData { amount: sum(changed.invoice.total), ..facts }
            }
            InvoiceEvent::CreditNoteIssued(issued) => {
                let credit_note = Some(issued.credit_note.number.clone());
                let because = Some(issued.credit_note.reason.clone());
                TemplateData { amount: sum(issued.credit_note.total), credit_note, because, ..facts }
            }
            InvoiceEvent::ReceiptIssued(receipt) => {
                TemplateData { amount: sum(receipt.settled.allocated), receipt: Some(receipt.number.clone()), ..facts }
            }
            InvoiceEvent::RefundReceiptIssued(receipt) => {
                let stays_settled = receipt.refund.reopens == Some(false);
                let receipt_number = Some(receipt.number.clone());
                TemplateData { amount: sum(receipt.refund.amount), receipt: receipt_number, stays_settled, ..facts }
            }
            InvoiceEvent::Reopened(reopened) => {
                TemplateData { amount: sum(reopened.released), reason: Some(reopened.reason.as_str()), ..facts }
            }
            InvoiceEvent::UnappliedCashRecorded(surplus) => {
                TemplateData { amount: sum(surplus.amount), reason: Some(surplus.reason.as_str()), ..facts }
            }
            _ => facts,
        }
    }
}

fn invoice(language: Language, summary: &InvoiceSummary) -> InvoiceData {
    let remaining = summary.remaining();
    InvoiceData {
        number: summary.number.clone(),
        total: amount(language, summary.total),
        paid: amount(language, summary.paid),
        remaining: amount(language, remaining),
        is_paid: remaining.is_zero(),
        issued_on: long_date(language, summary.issued_on),
        due_on: long_date(language, summary.due_on),
    }
}

fn payment(language: Language, summary: &PaymentSummary) -> PaymentData {
    PaymentData {
        amount: amount(language, summary.amount),
        paid_on: long_date(language, summary.day()),
        transaction_id: summary.transaction_id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use quittance_domain::notification::NotificationKind;
    use quittance_lambda::envelope::CloudEvent;

    use super::*;

    fn sample(notice: NotificationKind, change: &[(&str, &str)]) -> InvoiceEvent {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/contract/1");
        let mut text = std::fs::read_to_string(folder.join(format!("{notice}.json"))).unwrap();
        for (from, to) in change {
            assert!(text.contains(from), "{notice} has no {from}");
            text = text.replace(from, to);
        }
        CloudEvent::parse(&text).unwrap().payload
    }

    fn composed(event: &InvoiceEvent, language: Language) -> (Email, String) {
        let templates = Templates::new("Quittance Ltd").unwrap();
        // The sample of unapplied cash has an unknown payer.
        let receipt = sample(NotificationKind::ReceiptIssued, &[]);
        let client = event.addressee().or_else(|| receipt.addressee()).unwrap();
        let client = ClientDetails { language, ..client.clone() };
        let what = format!("{} in {language}", event.type_name());
        let email = templates.email(event, &client).unwrap_or_else(|error| panic!("{what}: {error}"));
        (email, templates.sms(event, &client).unwrap_or_else(|error| panic!("{what}: {error}")))
    }

    #[test]
    fn every_language_that_documents_speak_has_a_message_of_its_own_for_every_notice() {
        for notice in NotificationKind::ALL {
            let event = sample(*notice, &[]);
            let mut subjects = BTreeSet::new();
            for language in quittance_wording::languages() {
                let (email, sms) = composed(&event, language);
                for text in [&email.subject, &email.text, &email.html, &sms] {
                    assert!(!text.contains("{{") && !text.contains("{%") && !text.trim().is_empty(), "{text}");
                }
                assert!(email.html.contains(&format!("<html lang=\"{language}\">")));
                assert!(subjects.insert(email.subject), "{notice} has no template in {language}: add it");
            }
        }
    }

    #[test]
    fn a_language_without_templates_gets_the_english_ones() {
        let event = sample(NotificationKind::ReceiptIssued, &[]);
        let (email, sms) = composed(&event, "xx".parse().unwrap());
        assert_eq!(email.subject, "Receipt INV-2026-000042-R3 for invoice INV-2026-000042");
        assert!(sms.starts_with("Quittance Ltd: EUR\u{a0}1,190.00 received"), "{sms}");
    }

    #[test]
    fn the_remaining_amount_is_shown() {
        let part = sample(NotificationKind::ReceiptIssued, &[("\"value\": \"1190.00\"", "\"value\": \"2000.00\"")]);
        let InvoiceEvent::ReceiptIssued(mut receipt) = part else { panic!("a receipt") };
        receipt.settled.invoice.paid = Money::parse("500", "EUR").unwrap();
        let (email, sms) = composed(&InvoiceEvent::ReceiptIssued(receipt), Language::ENGLISH);
        for text in [&email.text, &email.html, &sms] {
            assert!(text.contains("EUR\u{a0}1,500.00 remains"), "{text}");
        }
    }

    #[test]
    fn each_reason_why_money_left_has_words_of_its_own() {
        let mut texts = BTreeSet::new();
        for reason in ["refunded", "reversed", "charged_back", "corrected"] {
            let event = sample(
                NotificationKind::InvoiceReopened,
                &[("\"reason\": \"reversed\"", &format!("\"reason\": \"{reason}\""))],
            );
            for language in quittance_wording::languages() {
                let (email, _) = composed(&event, language);
                assert!(texts.insert(email.text) && texts.insert(email.html), "{reason} in {language}");
            }
        }
    }

    #[test]
    fn a_name_is_never_markup_and_a_subject_is_one_line() {
        let hostile = [
            ("Nordlicht Handels GmbH", "<script>x</script>{{ seller }}"),
            ("INV-2026-000042\"", "INV\\r\\nBcc: a@b.example\""),
        ];
        let (email, _) = composed(&sample(NotificationKind::InvoiceIssued, &hostile), Language::ENGLISH);
        assert!(!email.html.contains("<script>") && email.html.contains("&lt;script&gt;"), "{}", email.html);
        assert!(email.text.contains("<script>x</script>{{ seller }}"), "a text is a text");
        assert!(!email.subject.contains(['\r', '\n']), "{:?}", email.subject);
    }
}
