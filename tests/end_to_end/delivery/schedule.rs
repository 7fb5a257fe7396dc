//! What follows from receivers' responses.

use std::time::Duration;

use quittance_deliveries::queue::DueDelivery;
use quittance_deliveries::{Delivery, DeliveryState, EventTimeRange, SLOTS};
use quittance_delivery::handler::Deliveries;
use quittance_relay::deliver::deliver;

use super::receiver::{Manner, Receiver};
use super::{DeliveryScene, invocation, key_at, pause, root};
use crate::end_to_end::scene;

async fn attempt(deliveries: &DeliveryScene, delivering: &Deliveries, due: &DueDelivery) -> Delivery {
    deliveries.let_time_pass(due);
    assert_eq!(deliveries.deliver(delivering, std::slice::from_ref(due)).await, 0);
    deliveries.delivery(due).await
}

#[tokio::test]
async fn what_is_not_taken_comes_again_after_longer_and_longer_pauses_and_then_the_endpoint_is_disabled() {
    let deliveries = DeliveryScene::begin().await;
    let receiver = Receiver::that(&vec![Manner::Says(500, ""); 10]);
    let (endpoint, secret) = deliveries.register(&receiver).await;
    let (due, delivering) = (deliveries.record(endpoint).await, deliveries.delivering(&root(&scene().stack)).await);
    for (attempts, seconds) in (1..).zip([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]) {
        let delivery = attempt(&deliveries, &delivering, &due).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, attempts));
        // Up to a tenth more, at random.
        assert!((seconds - 3..=seconds + seconds / 10 + 1).contains(&pause(&delivery)), "{seconds}: {delivery:?}");
        assert_eq!(deliveries.status_of(endpoint).await.0, "enabled");
    }
    let delivery = attempt(&deliveries, &delivering, &due).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Failed, 10));
    let (status, reason) = deliveries.status_of(endpoint).await;
    assert_eq!(status, "disabled");
    let reason = reason.unwrap();
    assert!(reason.contains("attempt 10: answered 500") && !reason.contains("hush"), "{reason}");
    let audited =
        "select count(*) from audit.records where action = 'webhook_endpoint.disabled' and actor = 'delivery'";
    assert_eq!(deliveries.test.count(audited).await, 1);

    let reported = receiver.reported();
    assert_eq!(reported.len(), 10);
    for reported in &reported {
        assert_eq!((reported.webhook_id(), &reported.body), (due.event_key.id().to_string(), &reported.body));
        assert!(reported.is_signed_with(&secret) && reported.is_traced());
    }
    assert!(reported.iter().all(|reported| reported.body == delivery.body), "the same body at every attempt");

    assert!(deliveries.table.send_again(endpoint, &due.event_key, chrono::Utc::now()).await.unwrap());
    let held = attempt(&deliveries, &delivering, &due).await;
    assert_eq!(
        (held.state, receiver.reported().len()),
        (DeliveryState::Held, 10),
        "a disabled endpoint is told nothing"
    );
    let meanwhile = deliveries.record(endpoint).await;
    assert_eq!(
        deliveries.delivery(&meanwhile).await.state,
        DeliveryState::Held,
        "what happens meanwhile is kept for it"
    );
    sqlx::query("update billing.webhook_endpoints set status = 'enabled', disabled_reason = null, disabled_at = null")
        .execute(&deliveries.test.admin)
        .await
        .unwrap();
    assert!(deliveries.table.send_again(endpoint, &due.event_key, chrono::Utc::now()).await.unwrap());
    assert_eq!(attempt(&deliveries, &delivering, &due).await.state, DeliveryState::Delivered);
    assert_eq!(receiver.reported().last().unwrap().webhook_id(), due.event_key.id().to_string());
    assert_eq!(
        attempt(&deliveries, &delivering, &meanwhile).await.state,
        DeliveryState::Held,
        "nobody had it sent again"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_410_disables_and_retry_after_is_respected() {
    let deliveries = DeliveryScene::begin().await;
    let elsewhere = Receiver::that(&[]);
    let location: &'static str = format!("location: {}\r\n", elsewhere.url()).leak();
    let receiver = Receiver::that(&[
        Manner::Says(302, location),
        Manner::Says(307, location),
        Manner::Says(429, "retry-after: 7200\r\n"),
        Manner::Says(503, "retry-after: 31536000\r\n"),
        Manner::Says(410, ""),
    ]);
    let (endpoint, _) = deliveries.register(&receiver).await;
    let (due, delivering) = (deliveries.record(endpoint).await, deliveries.delivering(&root(&scene().stack)).await);
    for (status, seconds) in [(302, 5), (307, 300), (429, 7_200), (503, 86_400)] {
        let delivery = attempt(&deliveries, &delivering, &due).await;
        assert_eq!(delivery.state, DeliveryState::Pending);
        assert_eq!(delivery.last_attempt.as_ref().unwrap().status, Some(status));
        assert!((seconds - 3..=seconds + seconds / 10 + 1).contains(&pause(&delivery)), "{status}: {delivery:?}");
    }
    let delivery = attempt(&deliveries, &delivering, &due).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Failed, 5));
    assert_eq!(deliveries.status_of(endpoint).await.0, "disabled");
    assert_eq!(elsewhere.reported().len(), 0, "nobody went where the redirect points");
}

#[tokio::test]
async fn a_receiver_that_hangs_drips_or_floods_is_bounded_and_delays_no_other() {
    let deliveries = DeliveryScene::begin().await;
    let manners = [[Manner::Hangs], [Manner::Drips], [Manner::Floods], [Manner::Says(200, "")]];
    let receivers = manners.map(|manner| Receiver::that(&manner));
    let mut endpoints = Vec::new();
    for receiver in &receivers {
        endpoints.push(deliveries.register(receiver).await.0);
    }
    let delivering = deliveries.delivering(&root(&scene().stack)).await;
    deliveries.record(endpoints[0]).await;
    let mut due = Vec::new();
    for endpoint_id in &endpoints {
        let event_key = deliveries.deliveries(*endpoint_id).await.remove(0).event_key;
        due.push(DueDelivery { recipient: *endpoint_id, event_key });
    }
    let begin = std::time::Instant::now();
    assert_eq!(deliveries.deliver(&delivering, &due).await, 0);
    let took = begin.elapsed();
    assert!((Duration::from_secs(14)..Duration::from_secs(20)).contains(&took), "{took:?}");
    let reported = receivers[3].reported();
    assert!(reported[0].at - begin < Duration::from_secs(5), "the quick one waited {:?}", reported[0].at - begin);
    let mut states = Vec::new();
    for due in &due {
        states.push(deliveries.delivery(due).await.state);
    }
    // A 200 means delivered, whatever follows it.
    assert_eq!(
        states,
        [DeliveryState::Pending, DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Delivered]
    );
    let failure = deliveries.delivery(&due[0]).await.last_attempt.unwrap().failure.unwrap();
    assert!(!failure.contains("hush"), "{failure}");
}

#[tokio::test]
async fn few_workers_are_at_one_endpoint_at_a_time_and_the_rest_comes_back() {
    let deliveries = DeliveryScene::begin().await;
    let receiver = Receiver::that(&[]);
    let (endpoint, _) = deliveries.register(&receiver).await;
    let (due, now) = (deliveries.record(endpoint).await, chrono::Utc::now());
    let until = now + chrono::TimeDelta::minutes(1);
    let mut slots = Vec::new();
    for _ in 0..SLOTS {
        slots.push(deliveries.table.take_slot(endpoint, now, until).await.unwrap().expect("there is room"));
    }
    let delivering = deliveries.delivering(&root(&scene().stack)).await;
    assert_eq!(deliveries.deliver(&delivering, std::slice::from_ref(&due)).await, 0, "its message comes later");
    assert_eq!((receiver.reported().len(), deliveries.delivery(&due).await.state), (0, DeliveryState::Pending));
    deliveries.table.free_slot(&slots.remove(0)).await.unwrap();
    assert_eq!(deliveries.deliver(&delivering, std::slice::from_ref(&due)).await, 0);
    assert_eq!((receiver.reported().len(), deliveries.delivery(&due).await.state), (1, DeliveryState::Delivered));
}

#[tokio::test]
async fn what_is_due_and_has_no_message_is_found_in_the_table() {
    let deliveries = DeliveryScene::begin().await;
    let receiver = Receiver::that(&[]);
    let (endpoint, _) = deliveries.register(&receiver).await;
    let due = deliveries.record(endpoint).await;
    let aws = root(&scene().stack);
    let (queue, now) = (DeliveryScene::queue(&aws), chrono::Utc::now());
    let deadline = std::time::SystemTime::now() + super::TIME;
    let find = async |minutes: i64| {
        deliver(&deliveries.table, &queue, now + chrono::TimeDelta::minutes(minutes), deadline).await.unwrap()
    };
    assert_eq!(find(0).await, 0, "its message is on its way");
    assert_eq!(find(2).await, 1, "its message is late");
    assert_eq!(find(3).await, 0, "its message was sent again");
    assert_eq!(find(30).await, 1, "and is late once more");
    let delivering = deliveries.delivering(&aws).await;
    assert_eq!(attempt(&deliveries, &delivering, &due).await.state, DeliveryState::Delivered);
    assert_eq!(find(600).await, 0, "what is delivered is never due");
}

#[tokio::test]
async fn deliveries_are_listed_by_the_times_of_their_events() {
    let deliveries = DeliveryScene::begin().await;
    let receiver = Receiver::that(&[]);
    let (endpoint, _) = deliveries.register(&receiver).await;
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
        deliveries.table.record(&new, chrono::Utc::now()).await.unwrap();
    }
    let seconds = |page: &quittance_deliveries::DeliveryPage| -> Vec<u32> {
        page.deliveries.iter().map(|delivery| chrono::Timelike::second(&delivery.event_key.at())).collect()
    };
    let at = |text: &str| Some(text.parse().unwrap());
    let range = EventTimeRange { from: at("2026-11-02T12:00:01Z"), until: at("2026-11-02T12:00:04Z") };
    let first = deliveries.table.list(endpoint, range, &[DeliveryState::Pending], None, 2).await.unwrap();
    assert_eq!(seconds(&first), [1, 2]);
    let rest = deliveries.table.list(endpoint, range, &[DeliveryState::Pending], first.next.as_ref(), 2).await.unwrap();
    assert_eq!((seconds(&rest), rest.next), (vec![3], None));
    let none = deliveries.table.list(endpoint, range, &[DeliveryState::Delivered], None, 2).await.unwrap();
    assert_eq!(none.deliveries.len(), 0);
}

#[tokio::test]
async fn a_worker_whose_lease_has_lapsed_cannot_conclude_what_another_has_taken_over() {
    let deliveries = DeliveryScene::begin().await;
    let receiver = Receiver::that(&[]);
    let (endpoint, _) = deliveries.register(&receiver).await;
    let (due, now) = (deliveries.record(endpoint).await, chrono::Utc::now());
    let lease = async |at: chrono::DateTime<chrono::Utc>| {
        let until = at + chrono::TimeDelta::seconds(30);
        deliveries.table.lease(endpoint, &due.event_key, at, until).await.unwrap()
    };
    let first = lease(now).await.expect("nobody has it");
    assert!(lease(now).await.is_none(), "somebody has it");
    let again = deliveries.table.send_again(endpoint, &due.event_key, now).await.unwrap();
    assert!(!again, "what is being attempted is not sent again");
    let second = lease(now + chrono::TimeDelta::seconds(31)).await.expect("the lease has lapsed");
    assert!(!deliveries.table.finish(&first, DeliveryState::Failed, None, None).await.unwrap(), "overtaken");
    assert!(deliveries.table.finish(&second, DeliveryState::Delivered, None, None).await.unwrap());
    assert_eq!(deliveries.delivery(&due).await.state, DeliveryState::Delivered);
}

#[tokio::test]
async fn an_event_with_another_body_is_parked_and_the_first_is_delivered() {
    let deliveries = DeliveryScene::begin().await;
    let receiver = Receiver::that(&[]);
    let (endpoint, _) = deliveries.register(&receiver).await;
    let recording = deliveries.recording(&root(&scene().stack)).await;
    let (id, first) = deliveries.event();
    let second = first.replace("INV-2026-000042", "INV-2026-000043");
    assert_ne!(first, second);
    for body in [&first, &second] {
        let answer = recording.handle(invocation(std::slice::from_ref(body))).await.unwrap();
        assert_eq!(answer.batch_item_failures.len(), 0);
    }
    let kept = deliveries.deliveries(endpoint).await;
    assert!(kept.len() == 1 && kept[0].body.contains("INV-2026-000042"), "{kept:?}");
    let stack = &scene().stack;
    let parked = stack.aws().unwrap().sqs_peek(stack.output("DeliveryDeadLetterQueueUrl").unwrap()).unwrap();
    let message = parked.iter().find(|message| message["Body"] == second).expect("it is parked");
    assert_eq!(message["MessageAttributes"]["code"]["StringValue"], "idempotency_conflict");
    assert!(message["MessageAttributes"]["reason"]["StringValue"].as_str().unwrap().contains(&id.to_string()));
}
