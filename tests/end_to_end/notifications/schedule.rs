//! When notifications are sent again, when they are not, and who is not written to at all.

use chrono::{TimeDelta, Utc};
use quittance_deliveries::DeliveryState;
use quittance_domain::notification::Channel::{Email, Sms};
use quittance_notification::schedule::{GIVE_UP_AFTER, PAUSES};
use serde_json::json;

use super::begin;
use super::provider::Manner;
use crate::end_to_end::delivery::{invocation, root};
use crate::end_to_end::scene;

const THROTTLED: Manner = Manner::Says(429, "TooManyRequestsException");

#[tokio::test]
async fn an_email_is_in_the_clients_language_with_the_receipt_and_is_marked_automatic() {
    let (writing, provider, notifications) = begin(Manner::Takes).await;
    let event = writing.event_like("receipt.issued", |event| {
        event["data"]["document_key"] = json!(writing.document);
        event["data"]["settled"]["client"]["language"] = json!("de");
        event["data"]["settled"]["client"]["name"] = json!("<b>Nordlicht</b> & Söhne");
    });
    writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
    let [email] = provider.emails().try_into().unwrap();
    assert_eq!(email.simple("/Subject/Data"), "Quittung INV-2026-000042-R3 zur Rechnung INV-2026-000042");
    assert!(email.simple("/Body/Text/Data").contains("am 2. November 2026 1.190,00\u{a0}EUR"), "{email:?}");
    assert!(email.simple("/Body/Text/Data").contains("Guten Tag <b>Nordlicht</b> & Söhne,"));
    assert!(
        email.simple("/Body/Html/Data").contains("Guten Tag &lt;b&gt;Nordlicht&lt;&#x2f;b&gt; &amp; Söhne,"),
        "{email:?}"
    );
    assert_eq!(email.simple("/Headers/0/Name"), "Auto-Submitted");
    assert_eq!(email.simple("/Attachments/0/FileName"), "INV-2026-000042-R3.pdf");
    assert_eq!(email.simple("/Attachments/0/RawContent"), "JVBERi0xLjcgYSByZWNlaXB0", "the bytes of the bucket");
    assert_eq!(email.request["Destination"]["ToAddresses"], json!(["accounts@nordlicht.example"]));
    assert_eq!(email.request["ConfigurationSetName"], "set");
    let kept = writing.delivery(&event, Email).await;
    assert_eq!((kept.state, kept.body.as_str()), (DeliveryState::Delivered, ""), "what was sent is forgotten");
}

#[tokio::test]
async fn what_no_provider_takes_is_tried_with_growing_pauses_and_then_parked_and_sent_when_it_is_replayed() {
    let (writing, provider, notifications) = begin(THROTTLED).await;
    let event = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
    for pause in PAUSES {
        let delivery = writing.delivery(&event, Email).await;
        let planned = delivery.next_attempt_at - delivery.last_attempt.unwrap().at;
        assert!(planned >= pause && planned <= pause * 11 / 10, "{planned} after {} attempts", delivery.attempts);
        assert_eq!(writing.run_schedule(&notifications).await, 0, "it is not due");
        // The queue redelivers it in the meantime: the schedule is responsible for it.
        writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
        writing.let_time_pass(&event, Email);
        assert_eq!(writing.run_schedule(&notifications).await, 1);
    }
    assert_eq!(provider.asked(), PAUSES.len() + 1);
    let delivery = writing.delivery(&event, Email).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Failed, 8));
    let [(code, reason, body)] = writing.parked().try_into().unwrap();
    assert_eq!((code.as_str(), body), ("expired", event.body.clone()));
    assert_eq!(reason, format!("email {}: 8 attempts; the last: answered 429 TooManyRequestsException", event.id));
    provider.now(Manner::Takes);
    writing.handle(&notifications, &vec![event.body.clone(); 5]).await;
    assert_eq!(
        (provider.emails_of(event.id), writing.delivery(&event, Email).await.state),
        (1, DeliveryState::Delivered)
    );
}

#[tokio::test]
async fn what_a_provider_refuses_is_parked_at_once_without_an_address_in_the_reason() {
    let (writing, provider, notifications) = begin(Manner::Says(400, "MessageRejected")).await;
    let event = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
    let [(code, reason, _)] = writing.parked().try_into().unwrap();
    assert_eq!((code.as_str(), reason), ("refused", format!("email {}: answered 400 MessageRejected", event.id)));
    assert_eq!((writing.delivery(&event, Email).await.state, provider.asked()), (DeliveryState::Failed, 1));
}

#[tokio::test]
async fn while_a_provider_is_away_the_queue_goes_on_and_the_schedule_sends_the_rest() {
    let (writing, provider, notifications) = begin(THROTTLED).await;
    let events: Vec<_> = (0..10).map(|_| writing.receipt()).collect();
    let bodies: Vec<String> = events.iter().map(|event| event.body.clone()).collect();
    writing.handle(&notifications, &bodies).await;
    assert_eq!(provider.asked(), 1, "one attempt shows that it is away");
    provider.now(Manner::Takes);
    for event in &events {
        writing.let_time_pass(event, Email);
    }
    assert_eq!(writing.run_schedule(&notifications).await, 10);
    assert!(events.iter().all(|event| provider.emails_of(event.id) == 1));
}

#[tokio::test]
async fn an_email_without_an_answer_is_not_sent_again_when_the_provider_reports_it() {
    let (writing, provider, notifications) = begin(Manner::TakesInSilence).await;
    let event = writing.receipt();
    writing.handle(&notifications, &vec![event.body.clone(); 5]).await;
    assert_eq!(writing.delivery(&event, Email).await.state, DeliveryState::Unknown);
    writing.run_schedule(&notifications).await;
    assert_eq!(provider.asked(), 1, "nobody asks again");
    writing.receive(&provider).await;
    assert_eq!(writing.delivery(&event, Email).await.state, DeliveryState::Delivered);
    writing.let_time_pass(&event, Email);
    writing.run_schedule(&notifications).await;
    assert_eq!(provider.emails_of(event.id), 1);
}

#[tokio::test]
async fn an_email_without_an_answer_is_sent_again_only_when_the_provider_reports_later_ones_and_not_it() {
    let (writing, provider, notifications) = begin(Manner::IsSilent).await;
    let event = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
    provider.now(Manner::Takes);
    // It has reported on an e-mail that it received three minutes later: reports may arrive out of order.
    writing.table.note_report_arrived(Utc::now() - TimeDelta::minutes(57)).await.unwrap();
    writing.let_time_pass(&event, Email);
    writing.run_schedule(&notifications).await;
    let unknown = writing.delivery(&event, Email).await;
    assert_eq!(
        (unknown.state, provider.asked()),
        (DeliveryState::Unknown, 1),
        "the provider tells of nothing later: nobody knows"
    );
    assert!(unknown.next_attempt_at > Utc::now() + TimeDelta::minutes(59), "it is looked at again in an hour");
    let later = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&later.body)).await;
    writing.receive(&provider).await;
    writing.let_time_pass(&event, Email);
    writing.run_schedule(&notifications).await;
    assert_eq!(
        (provider.emails_of(event.id), writing.delivery(&event, Email).await.state),
        (1, DeliveryState::Delivered)
    );
}

#[tokio::test]
async fn an_email_that_is_never_reported_is_parked_and_never_sent_again() {
    let (writing, provider, notifications) = begin(Manner::IsSilent).await;
    let event = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
    provider.now(Manner::Takes);
    writing.let_time_pass(&event, Email);
    writing.set(&event, Email, &[("recorded_ms", Utc::now() - GIVE_UP_AFTER)]);
    writing.run_schedule(&notifications).await;
    let [(code, reason, _)] = writing.parked().try_into().unwrap();
    assert_eq!(code, "outcome_unknown");
    assert!(reason.contains("send it again only if its addressee does not have it"), "{reason}");
    writing.handle(&notifications, &vec![event.body.clone(); 5]).await;
    writing.run_schedule(&notifications).await;
    assert_eq!((writing.delivery(&event, Email).await.state, provider.asked()), (DeliveryState::Unknown, 1));
}

#[tokio::test]
async fn an_email_that_never_has_an_answer_while_others_do_is_parked_after_as_many_attempts_as_any_other() {
    let (writing, provider, notifications) = begin(Manner::IsSilent).await;
    let event = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
    writing.table.note_report_arrived(Utc::now() + TimeDelta::days(1)).await.unwrap();
    for _ in 0..2 * PAUSES.len() {
        writing.let_time_pass(&event, Email);
        writing.run_schedule(&notifications).await;
    }
    let [(code, ..)] = writing.parked().try_into().unwrap();
    assert_eq!((code.as_str(), provider.asked()), ("outcome_unknown", PAUSES.len() + 1));
}

#[tokio::test]
async fn what_a_client_does_not_want_any_more_is_not_sent_although_it_waits() {
    let (writing, provider, notifications) = begin(THROTTLED).await;
    let event = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
    writing.prefer("email", false, None).await;
    provider.now(Manner::Takes);
    writing.let_time_pass(&event, Email);
    writing.run_schedule(&notifications).await;
    assert_eq!((writing.delivery(&event, Email).await.state, provider.emails().len()), (DeliveryState::Held, 0));
}

#[tokio::test]
async fn a_text_message_goes_to_who_wants_one_and_without_an_answer_it_is_never_sent_again() {
    let (writing, provider, notifications) = begin(Manner::Takes).await;
    writing.prefer("email", false, None).await;
    let unwanted = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&unwanted.body)).await;
    assert!(!writing.is_recorded(&unwanted, Email).await && !writing.is_recorded(&unwanted, Sms).await);
    writing.prefer("sms", true, Some("+4915112345678")).await;
    let event = writing.receipt();
    writing.handle(&notifications, &vec![event.body.clone(); 5]).await;
    let text = "Quittance Ltd: EUR\u{a0}1,190.00 received for invoice INV-2026-000042. It is paid in full. Thank you.";
    assert_eq!(provider.texts(), [("+4915112345678".to_owned(), text.to_owned())]);
    assert_eq!((writing.delivery(&event, Sms).await.state, provider.emails().len()), (DeliveryState::Delivered, 0));
    provider.now(Manner::IsSilent);
    let silent = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&silent.body)).await;
    provider.now(Manner::Takes);
    writing.let_time_pass(&silent, Sms);
    writing.run_schedule(&notifications).await;
    let [(code, _, _)] = writing.parked().try_into().unwrap();
    assert_eq!((code.as_str(), provider.texts().len()), ("outcome_unknown", 1));
}

#[tokio::test]
async fn who_complained_is_not_written_to_until_that_is_lifted() {
    let (writing, provider, notifications) = begin(Manner::Takes).await;
    let first = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&first.body)).await;
    let [email] = provider.emails().try_into().unwrap();
    let complaint = json!({"complainedRecipients": [{"emailAddress": "Accounts@Nordlicht.example"}]});
    let reported = email.event("Complaint", "complaint", complaint);
    let feedback = writing.feedback(&root(&scene().stack)).await;
    assert!(feedback.handle(invocation(&vec![reported; 3])).await.unwrap().batch_item_failures.is_empty());
    assert_eq!(writing.delivery(&first, Email).await.state, DeliveryState::Delivered, "whoever complains has it");
    let validated = "Successfully validated SNS topic for Amazon SES event publishing.".to_owned();
    assert!(feedback.handle(invocation(&[validated])).await.unwrap().batch_item_failures.is_empty());
    assert_eq!(writing.parked(), [], "what Amazon SES says of the topic is no mistake");
    let second = writing.receipt();
    writing.handle(&notifications, std::slice::from_ref(&second.body)).await;
    let held = writing.delivery(&second, Email).await;
    assert_eq!((held.state, provider.emails().len()), (DeliveryState::Held, 1));
    assert!(held.last_attempt.unwrap().failure.unwrap().starts_with("complaint since "));
    let audit =
        "select string_agg(subject || ' ' || reason, ', ') from audit.records where action = 'client.email_suppressed'";
    assert_eq!(writing.test.text(audit).await, format!("{} complaint", writing.client), "once, and no address");
    let lifted = sqlx::query("delete from billing.suppressed_addresses").execute(&writing.test.admin).await.unwrap();
    assert_eq!(lifted.rows_affected(), 1);
    // To send the held one, its event is replayed; what was accepted is not sent again even so.
    writing.handle(&notifications, &[first.body.clone(), second.body.clone(), second.body.clone()]).await;
    assert_eq!((provider.emails_of(first.id), provider.emails_of(second.id)), (1, 1));
}

#[tokio::test]
async fn an_event_older_than_the_retention_is_parked_and_not_sent() {
    let (writing, provider, notifications) = begin(Manner::Takes).await;
    let event = writing.event_like("receipt.issued", |event| event["time"] = json!(Utc::now() - TimeDelta::days(366)));
    writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
    let [(code, _, _)] = writing.parked().try_into().unwrap();
    assert_eq!((code.as_str(), provider.asked()), ("too_old", 0));
}
