//! What receivers answer, and what follows from it.

use std::time::Duration;

use quittance_deliveries::queue::DueDelivery;
use quittance_deliveries::{Delivery, DeliveryState, EventTimeRange, SLOTS};
use quittance_delivery::handler::Deliveries;
use quittance_relay::deliver::deliver;

use super::receiver::{Manner, Receiver};
use super::{Telling, invocation, key_at, pause, root};
use crate::end_to_end::scene;

async fn attempt(telling: &Telling, delivering: &Deliveries, due: &DueDelivery) -> Delivery {
    telling.let_time_pass(due);
    assert_eq!(telling.deliver(delivering, std::slice::from_ref(due)).await, 0);
    telling.delivery(due).await
}

#[tokio::test]
async fn what_is_not_taken_comes_again_after_longer_and_longer_pauses_and_then_the_endpoint_is_disabled() {
    let telling = Telling::begin().await;
    let receiver = Receiver::that(&vec![Manner::Says(500, ""); 10]);
    let (endpoint, secret) = telling.register(&receiver).await;
    let (due, delivering) = (telling.record(endpoint).await, telling.delivering(&root(&scene().stack)).await);
    for (attempts, seconds) in (1..).zip([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]) {
        let delivery = attempt(&telling, &delivering, &due).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, attempts));
        // A tenth more by chance.
        assert!((seconds - 3..=seconds + seconds / 10 + 1).contains(&pause(&delivery)), "{seconds}: {delivery:?}");
        assert_eq!(telling.status_of(endpoint).await.0, "enabled");
    }
    let delivery = attempt(&telling, &delivering, &due).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Failed, 10));
    let (status, reason) = telling.status_of(endpoint).await;
    assert_eq!(status, "disabled");
    let reason = reason.unwrap();
    assert!(reason.contains("attempt 10: answered 500") && !reason.contains("hush"), "{reason}");
    let audited =
        "select count(*) from audit.records where action = 'webhook_endpoint.disabled' and actor = 'delivery'";
    assert_eq!(telling.test.count(audited).await, 1);

    let told = receiver.told();
    assert_eq!(told.len(), 10);
    for told in &told {
        assert_eq!((told.webhook_id(), &told.body), (due.event_key.id().to_string(), &told.body));
        assert!(told.is_signed_with(&secret) && told.is_traced());
    }
    assert!(told.iter().all(|told| told.body == delivery.body), "the same body at every attempt");

    assert!(telling.table.send_again(endpoint, &due.event_key, chrono::Utc::now()).await.unwrap());
    let held = attempt(&telling, &delivering, &due).await;
    assert_eq!((held.state, receiver.told().len()), (DeliveryState::Held, 10), "a disabled endpoint is told nothing");
    let meanwhile = telling.record(endpoint).await;
    assert_eq!(telling.delivery(&meanwhile).await.state, DeliveryState::Held, "what happens meanwhile is kept for it");
    sqlx::query("update billing.webhook_endpoints set status = 'enabled', disabled_reason = null, disabled_at = null")
        .execute(&telling.test.admin)
        .await
        .unwrap();
    assert!(telling.table.send_again(endpoint, &due.event_key, chrono::Utc::now()).await.unwrap());
    assert_eq!(attempt(&telling, &delivering, &due).await.state, DeliveryState::Delivered);
    assert_eq!(receiver.told().last().unwrap().webhook_id(), due.event_key.id().to_string());
    assert_eq!(attempt(&telling, &delivering, &meanwhile).await.state, DeliveryState::Held, "nobody had it sent again");
}

#[tokio::test]
async fn a_redirect_is_not_followed_410_disables_and_a_receiver_that_asks_for_a_pause_gets_it() {
    let telling = Telling::begin().await;
    let elsewhere = Receiver::that(&[]);
    let location: &'static str = format!("location: {}\r\n", elsewhere.url()).leak();
    let receiver = Receiver::that(&[
        Manner::Says(302, location),
        Manner::Says(307, location),
        Manner::Says(429, "retry-after: 7200\r\n"),
        Manner::Says(503, "retry-after: 31536000\r\n"),
        Manner::Says(410, ""),
    ]);
    let (endpoint, _) = telling.register(&receiver).await;
    let (due, delivering) = (telling.record(endpoint).await, telling.delivering(&root(&scene().stack)).await);
    for (status, seconds) in [(302, 5), (307, 300), (429, 7_200), (503, 86_400)] {
        let delivery = attempt(&telling, &delivering, &due).await;
        assert_eq!(delivery.state, DeliveryState::Pending);
        assert_eq!(delivery.last_attempt.as_ref().unwrap().status, Some(status));
        assert!((seconds - 3..=seconds + seconds / 10 + 1).contains(&pause(&delivery)), "{status}: {delivery:?}");
    }
    let delivery = attempt(&telling, &delivering, &due).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Failed, 5));
    assert_eq!(telling.status_of(endpoint).await.0, "disabled");
    assert_eq!(elsewhere.told().len(), 0, "nobody went where the redirect points");
}

#[tokio::test]
async fn a_receiver_that_hangs_drips_or_floods_is_bounded_and_delays_no_other() {
    let telling = Telling::begin().await;
    let manners = [[Manner::Hangs], [Manner::Drips], [Manner::Floods], [Manner::Says(200, "")]];
    let receivers = manners.map(|manner| Receiver::that(&manner));
    let mut endpoints = Vec::new();
    for receiver in &receivers {
        endpoints.push(telling.register(receiver).await.0);
    }
    let delivering = telling.delivering(&root(&scene().stack)).await;
    telling.record(endpoints[0]).await;
    let mut due = Vec::new();
    for endpoint_id in &endpoints {
        let event_key = telling.deliveries(*endpoint_id).await.remove(0).event_key;
        due.push(DueDelivery { recipient: *endpoint_id, event_key });
    }
    let begin = std::time::Instant::now();
    assert_eq!(telling.deliver(&delivering, &due).await, 0);
    let took = begin.elapsed();
    assert!((Duration::from_secs(14)..Duration::from_secs(20)).contains(&took), "{took:?}");
    let told = receivers[3].told();
    assert!(told[0].at - begin < Duration::from_secs(5), "the quick one waited {:?}", told[0].at - begin);
    let mut states = Vec::new();
    for due in &due {
        states.push(telling.delivery(due).await.state);
    }
    // Whoever says 200 has it, whatever follows.
    assert_eq!(
        states,
        [DeliveryState::Pending, DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Delivered]
    );
    let failure = telling.delivery(&due[0]).await.last_attempt.unwrap().failure.unwrap();
    assert!(!failure.contains("hush"), "{failure}");
}

#[tokio::test]
async fn few_workers_are_at_one_endpoint_at_a_time_and_the_rest_comes_back() {
    let telling = Telling::begin().await;
    let receiver = Receiver::that(&[]);
    let (endpoint, _) = telling.register(&receiver).await;
    let (due, now) = (telling.record(endpoint).await, chrono::Utc::now());
    let until = now + chrono::TimeDelta::minutes(1);
    let mut slots = Vec::new();
    for _ in 0..SLOTS {
        slots.push(telling.table.take_slot(endpoint, now, until).await.unwrap().expect("there is room"));
    }
    let delivering = telling.delivering(&root(&scene().stack)).await;
    assert_eq!(telling.deliver(&delivering, std::slice::from_ref(&due)).await, 0, "its message comes later");
    assert_eq!((receiver.told().len(), telling.delivery(&due).await.state), (0, DeliveryState::Pending));
    telling.table.free_slot(&slots.remove(0)).await.unwrap();
    assert_eq!(telling.deliver(&delivering, std::slice::from_ref(&due)).await, 0);
    assert_eq!((receiver.told().len(), telling.delivery(&due).await.state), (1, DeliveryState::Delivered));
}

#[tokio::test]
async fn what_is_due_and_has_no_message_is_found_in_the_table() {
    let telling = Telling::begin().await;
    let receiver = Receiver::that(&[]);
    let (endpoint, _) = telling.register(&receiver).await;
    let due = telling.record(endpoint).await;
    let aws = root(&scene().stack);
    let (queue, now) = (Telling::queue(&aws), chrono::Utc::now());
    let deadline = std::time::SystemTime::now() + super::TIME;
    let find = async |minutes: i64| {
        deliver(&telling.table, &queue, now + chrono::TimeDelta::minutes(minutes), deadline).await.unwrap()
    };
    assert_eq!(find(0).await, 0, "its message is on its way");
    assert_eq!(find(2).await, 1, "its message is late");
    assert_eq!(find(3).await, 0, "its message was sent again");
    assert_eq!(find(30).await, 1, "and is late once more");
    let delivering = telling.delivering(&aws).await;
    assert_eq!(attempt(&telling, &delivering, &due).await.state, DeliveryState::Delivered);
    assert_eq!(find(600).await, 0, "what is delivered is never due");
}

#[tokio::test]
async fn deliveries_are_listed_by_the_times_of_their_events() {
    let telling = Telling::begin().await;
    let receiver = Receiver::that(&[]);
    let (endpoint, _) = telling.register(&receiver).await;
    for second in 0..5 {
        let key = key_at(&format!("2026-11-02T12:00:0{second}Z"));
        let new = quittance_deliveries::NewDelivery {
            recipient: endpoint,
            event_key: &key,
            event_type: "invoice.paid",
            subject: "inv_1",
            sequence: Some(1),
            body: "{}",
            fingerprint: "f",
            is_held: false,
        };
        telling.table.record(&new, chrono::Utc::now()).await.unwrap();
    }
    let seconds = |page: &quittance_deliveries::DeliveryPage| -> Vec<u32> {
        page.deliveries.iter().map(|delivery| chrono::Timelike::second(&delivery.event_key.at())).collect()
    };
    let at = |text: &str| Some(text.parse().unwrap());
    let range = EventTimeRange { from: at("2026-11-02T12:00:01Z"), until: at("2026-11-02T12:00:04Z") };
    let first = telling.table.list(endpoint, range, &[DeliveryState::Pending], None, 2).await.unwrap();
    assert_eq!(seconds(&first), [1, 2]);
    let rest = telling.table.list(endpoint, range, &[DeliveryState::Pending], first.next.as_ref(), 2).await.unwrap();
    assert_eq!((seconds(&rest), rest.next), (vec![3], None));
    let none = telling.table.list(endpoint, range, &[DeliveryState::Delivered], None, 2).await.unwrap();
    assert_eq!(none.deliveries.len(), 0);
}

#[tokio::test]
async fn a_worker_whose_lease_has_lapsed_cannot_conclude_what_another_has_taken_over() {
    let telling = Telling::begin().await;
    let receiver = Receiver::that(&[]);
    let (endpoint, _) = telling.register(&receiver).await;
    let (due, now) = (telling.record(endpoint).await, chrono::Utc::now());
    let lease = async |at: chrono::DateTime<chrono::Utc>| {
        let until = at + chrono::TimeDelta::seconds(30);
        telling.table.lease(endpoint, &due.event_key, at, until).await.unwrap()
    };
    let first = lease(now).await.expect("nobody has it");
    assert!(lease(now).await.is_none(), "somebody has it");
    let again = telling.table.send_again(endpoint, &due.event_key, now).await.unwrap();
    assert!(!again, "what is being attempted is not sent again");
    let second = lease(now + chrono::TimeDelta::seconds(31)).await.expect("the lease has lapsed");
    assert!(!telling.table.finish(&first, DeliveryState::Failed, None, None).await.unwrap(), "overtaken");
    assert!(telling.table.finish(&second, DeliveryState::Delivered, None, None).await.unwrap());
    assert_eq!(telling.delivery(&due).await.state, DeliveryState::Delivered);
}

#[tokio::test]
async fn an_event_that_comes_with_another_body_is_parked_and_the_first_is_told() {
    let telling = Telling::begin().await;
    let receiver = Receiver::that(&[]);
    let (endpoint, _) = telling.register(&receiver).await;
    let recording = telling.recording(&root(&scene().stack)).await;
    let (id, first) = telling.event();
    let second = first.replace("INV-2026-000042", "INV-2026-000043");
    assert_ne!(first, second);
    for body in [&first, &second] {
        let answer = recording.handle(invocation(std::slice::from_ref(body))).await.unwrap();
        assert_eq!(answer.batch_item_failures.len(), 0);
    }
    let kept = telling.deliveries(endpoint).await;
    assert!(kept.len() == 1 && kept[0].body.contains("INV-2026-000042"), "{kept:?}");
    let stack = &scene().stack;
    let parked = stack.aws().unwrap().sqs_peek(stack.output("DeliveryDeadLetterQueueUrl").unwrap()).unwrap();
    let message = parked.iter().find(|message| message["Body"] == second).expect("it is parked");
    assert_eq!(message["MessageAttributes"]["code"]["StringValue"], "idempotency_conflict");
    assert!(message["MessageAttributes"]["reason"]["StringValue"].as_str().unwrap().contains(&id.to_string()));
}
