//! Every event five times, in any order, with a worker killed at every step: one e-mail, never two and never none.

use chrono::Utc;
use quittance_deliveries::DeliveryState;
use quittance_domain::notification::Channel;

use super::provider::{Manner, Provider};
use super::{Event, Writing};
use crate::end_to_end::delivery::kills::{CALLS_MAX, Moment, Way, shuffle};
use crate::end_to_end::delivery::{aws_at, invocation, root};
use crate::end_to_end::scene;

/// What follows after a worker was killed: the queue redelivers everything repeatedly, Amazon SES reports what it
/// accepted, the leases of killed workers expire, and the schedule runs.
async fn recover(writing: &Writing, provider: &Provider, event: &Event) {
    let notifications = writing.notifications(&root(&scene().stack), provider).await;
    let other = writing.receipt();
    let mut bodies = vec![event.body.clone(); 4];
    bodies.extend(vec![other.body.clone(); 5]);
    shuffle(&mut bodies);
    for _ in 0..2 {
        writing.handle(&notifications, &bodies).await;
        writing.receive(provider).await;
        writing.let_time_pass(event, Channel::Email);
        writing.run_schedule(&notifications).await;
    }
    assert_eq!(provider.emails_of(other.id), 1);
}

#[tokio::test]
async fn an_event_that_comes_five_times_with_a_kill_at_every_step_is_written_of_once() {
    let (writing, provider, way) = (Writing::begin().await, Provider::that(Manner::Takes).await, Way::open().await);
    let notifications = writing.notifications(&aws_at(&way.url), &provider).await;
    let mut kills = 0;
    for moment in [Moment::Before, Moment::After] {
        for call in 1..CALLS_MAX {
            let event = writing.receipt();
            let work =
                async { drop(notifications.handle(invocation(std::slice::from_ref(&event.body))).await.unwrap()) };
            let lived = way.run(Some((call, moment)), work).await;
            recover(&writing, &provider, &event).await;
            assert_eq!(provider.emails_of(event.id), 1, "killed {moment:?} call {call}");
            assert_eq!(
                writing.delivery(&event, Channel::Email).await.state,
                DeliveryState::Delivered,
                "{moment:?} call {call}"
            );
            if lived {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 8, "only {kills} kills");
}

#[tokio::test]
async fn a_schedule_that_is_killed_at_any_step_leaves_one_email() {
    let (writing, provider, way) = (Writing::begin().await, Provider::that(Manner::Takes).await, Way::open().await);
    let (aws, mut kills) = (root(&scene().stack), 0);
    for moment in [Moment::Before, Moment::After] {
        for call in 1..CALLS_MAX {
            let event = writing.receipt();
            provider.now(Manner::Says(429, "TooManyRequestsException"));
            writing.handle(&writing.notifications(&aws, &provider).await, std::slice::from_ref(&event.body)).await;
            provider.now(Manner::Takes);
            writing.let_time_pass(&event, Channel::Email);
            let notifications = writing.notifications(&aws_at(&way.url), &provider).await;
            let work = async { drop(notifications.send_due(std::time::SystemTime::now() + super::TIME).await) };
            let lived = way.run(Some((call, moment)), work).await;
            recover(&writing, &provider, &event).await;
            assert_eq!(provider.emails_of(event.id), 1, "killed {moment:?} call {call}");
            if lived {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 12, "only {kills} kills");
}

#[tokio::test]
async fn provider_reports_are_recorded_although_the_worker_is_killed() {
    let (writing, provider, way) =
        (Writing::begin().await, Provider::that(Manner::TakesInSilence).await, Way::open().await);
    let (aws, mut kills) = (root(&scene().stack), 0);
    let notifications = writing.notifications(&aws, &provider).await;
    for moment in [Moment::Before, Moment::After] {
        for call in 1..CALLS_MAX {
            let event = writing.receipt();
            writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
            assert_eq!(writing.delivery(&event, Channel::Email).await.state, DeliveryState::Unknown);
            let email = provider.emails().pop().unwrap();
            let bounce = serde_json::json!({
                "bounceType": "Permanent", "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": format!("{}@nordlicht.example", event.id)}],
            });
            let mut words =
                vec![email.event("Bounce", "bounce", bounce), email.event("Send", "send", serde_json::json!({}))];
            let feedback = writing.feedback(&aws_at(&way.url)).await;
            let lived =
                way.run(Some((call, moment)), async { drop(feedback.handle(invocation(&words)).await.unwrap()) }).await;
            words.extend(words.clone());
            shuffle(&mut words);
            let again = writing.feedback(&aws).await;
            assert!(again.handle(invocation(&words)).await.unwrap().batch_item_failures.is_empty());
            let delivery = writing.delivery(&event, Channel::Email).await;
            let attempt = delivery.last_attempt.unwrap();
            assert_eq!(
                (delivery.state, attempt.failure.as_deref()),
                (DeliveryState::Failed, Some("it bounced: Permanent General"))
            );
            assert!(attempt.message_id.is_some() && attempt.at <= Utc::now());
            writing.handle(&notifications, std::slice::from_ref(&event.body)).await;
            assert_eq!(provider.emails_of(event.id), 1, "what came back is not sent again");
            assert_eq!(writing.delivery(&event, Channel::Email).await.state, DeliveryState::Failed);
            if lived {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 6, "only {kills} kills");
    let audited = "select count(*) from audit.records where action = 'client.email_suppressed'";
    let suppressed = "select count(*) from billing.suppressed_addresses where reason = 'bounce'";
    assert_eq!(writing.test.count(audited).await, writing.test.count(suppressed).await);
}
