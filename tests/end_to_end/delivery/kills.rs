//! Every event five times, in any order, with a worker killed at every step: one webhook id, and nothing lost.
//!
//! Between two calls a worker has no visible effect. So it is killed at each call: before the call arrives, and after
//! it was carried out but before the worker gets the response.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::response::IntoResponse;
use http::{HeaderMap, Method, StatusCode, Uri};
use quittance_deliveries::DeliveryState;
use quittance_deliveries::queue::DueDelivery;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use xtask::aws::local_agent;

use super::receiver::{Manner, Receiver};
use super::{DeliveryScene, TIME, aws_at, invocation};
use crate::end_to_end::scene;

/// More calls than a worker makes.
pub(crate) const CALLS_MAX: usize = 40;

/// When a worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before the call is made.
    Before,
    /// After the call was made, without receiving its response.
    After,
}

#[derive(Debug, Default)]
struct Plan {
    calls: usize,
    kill: Option<(usize, Moment)>,
}

/// A connection to the emulator that kills its caller at one of the calls.
pub(crate) struct Way {
    plan: Arc<Mutex<Plan>>,
    killed: Arc<Notify>,
    pub(crate) url: String,
}

impl Way {
    pub(crate) async fn open() -> Self {
        let (plan, killed) = (Arc::new(Mutex::new(Plan::default())), Arc::new(Notify::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (planned, kill, behind) = (Arc::clone(&plan), Arc::clone(&killed), scene().stack.emulator_url().unwrap());
        let pass =
            axum::Router::new().fallback(async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let fate = {
                    let mut plan = planned.lock().unwrap_or_else(PoisonError::into_inner);
                    plan.calls += 1;
                    plan.kill.filter(|(call, _)| *call == plan.calls).map(|(_, moment)| moment)
                };
                let answer = match fate {
                    Some(Moment::Before) => None,
                    _ => Some(forward(format!("{behind}{uri}"), method, headers, body).await),
                };
                if fate.is_some() {
                    kill.notify_one();
                    std::future::pending::<()>().await;
                }
                answer.unwrap_or_default().into_response()
            });
        tokio::spawn(async move { axum::serve(listener, pass).await });
        Self { plan, killed, url }
    }

    /// Runs a worker that is killed at a call; returns whether it survived, because there is no such call.
    pub(crate) async fn run(&self, kill: Option<(usize, Moment)>, work: impl Future<Output = ()>) -> bool {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Plan { calls: 0, kill };
        tokio::select! {
            () = work => true,
            () = self.killed.notified() => false,
        }
    }
}

async fn forward(url: String, method: Method, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    let call = move || {
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host" && *name != "content-length") {
            request = request.header(name, value);
        }
        let mut answer = local_agent(TIME).run(request.body(body.to_vec()).unwrap()).unwrap();
        (answer.status(), answer.body_mut().read_to_vec().unwrap())
    };
    tokio::task::spawn_blocking(call).await.unwrap()
}

/// The deliveries of an event that the receiver got: their ids and their number.
fn heard(receiver: &Receiver, body_part: &str) -> (BTreeSet<String>, usize) {
    let reported: Vec<_> =
        receiver.reported().into_iter().filter(|reported| reported.body.contains(body_part)).collect();
    (reported.iter().map(super::receiver::ReceivedWebhook::webhook_id).collect(), reported.len())
}

#[tokio::test]
async fn an_event_that_comes_five_times_with_a_kill_at_every_step_of_recording_it_is_delivered_once() {
    let (deliveries, way, receiver) = (DeliveryScene::begin().await, Way::open().await, Receiver::that(&[]));
    let (endpoint, _) = deliveries.register(&receiver).await;
    let recording = deliveries.recording(&aws_at(&way.url)).await;
    let delivering = deliveries.delivering(&aws_at(&way.url)).await;
    let (mut kills, mut events) = (0, 0);
    for moment in [Moment::Before, Moment::After] {
        for call in 1..CALLS_MAX {
            let (id, body) = deliveries.event();
            events += 1;
            let work = async { drop(recording.handle(invocation(std::slice::from_ref(&body))).await.unwrap()) };
            let lived = way.run(Some((call, moment)), work).await;
            // The queue redelivers it, together with others.
            let other = deliveries.event();
            events += 1;
            let mut bodies = vec![body.clone(), other.1.clone(), body.clone(), other.1, body.clone(), body];
            shuffle(&mut bodies);
            // Once before it is delivered, and once after.
            for _ in 0..2 {
                let again = async {
                    assert!(recording.handle(invocation(&bodies)).await.unwrap().batch_item_failures.is_empty());
                };
                assert!(way.run(None, again).await);
                for delivery in deliveries.deliveries(endpoint).await {
                    let due = DueDelivery { recipient: endpoint, event_key: delivery.event_key };
                    assert_eq!(deliveries.deliver(&delivering, &[due.clone(), due]).await, 0);
                }
            }
            assert_eq!(
                heard(&receiver, &id.to_string()),
                ([id.to_string()].into(), 1),
                "killed {moment:?} call {call}"
            );
            if lived {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 6, "only {kills} kills");
    let mut numbers: Vec<u64> =
        deliveries.deliveries(endpoint).await.iter().filter_map(|delivery| delivery.sequence).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=events).collect::<Vec<u64>>(), "numbers of one invoice have no gap and no double");
}

#[tokio::test]
async fn a_worker_that_is_killed_at_any_step_of_an_attempt_leaves_it_to_another_under_the_same_id() {
    let (deliveries, way, receiver) = (DeliveryScene::begin().await, Way::open().await, Receiver::that(&[]));
    let (endpoint, secret) = deliveries.register(&receiver).await;
    let mut kills = 0;
    for moment in [Moment::Before, Moment::After] {
        for call in 1..CALLS_MAX {
            // Each worker is a new instance, which reads the secret again.
            let delivering = deliveries.delivering(&aws_at(&way.url)).await;
            let due = deliveries.record(endpoint).await;
            let id = due.event_key.id().to_string();
            let lived = way
                .run(Some((call, moment)), async {
                    let _ends = deliveries.deliver(&delivering, std::slice::from_ref(&due)).await;
                })
                .await;
            deliveries.let_time_pass(&due);
            // Its message is delivered five times; it causes one attempt, or none if the event is known to be
            // delivered.
            let again = async { assert_eq!(deliveries.deliver(&delivering, &vec![due.clone(); 5]).await, 0) };
            assert!(way.run(None, again).await);
            assert_eq!(
                deliveries.delivery(&due).await.state,
                DeliveryState::Delivered,
                "killed {moment:?} call {call}"
            );
            let (ids, times) = heard(&receiver, &id);
            assert_eq!(ids, [id.clone()].into(), "killed {moment:?} call {call}");
            // Twice only if the receiver's response was lost with the worker.
            assert!(times == 1 || (times == 2 && !lived), "{times} times, killed {moment:?} call {call}");
            if lived {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 8, "only {kills} kills");
    assert!(receiver.reported().iter().all(|reported| reported.is_signed_with(&secret)));
}

#[tokio::test]
async fn a_worker_that_is_killed_while_the_receiver_has_the_webhook_leaves_it_to_another() {
    let deliveries = DeliveryScene::begin().await;
    let receiver = Receiver::that(&[Manner::Hangs]);
    let (endpoint, _) = deliveries.register(&receiver).await;
    let delivering = deliveries.delivering(&super::root(&scene().stack)).await;
    let due = deliveries.record(endpoint).await;
    let arrived = async {
        while receiver.reported().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = deliveries.deliver(&delivering, std::slice::from_ref(&due)) => panic!("the receiver hangs"),
        () = arrived => {}
    }
    assert_eq!(deliveries.deliver(&delivering, std::slice::from_ref(&due)).await, 0);
    assert_eq!(receiver.reported().len(), 1, "while the dead worker's lease holds, nobody else attempts it");
    deliveries.let_time_pass(&due);
    assert_eq!(deliveries.deliver(&delivering, std::slice::from_ref(&due)).await, 0);
    let (ids, times) = heard(&receiver, "");
    assert_eq!((ids.len(), times), (1, 2));
    assert_eq!(deliveries.delivery(&due).await.state, DeliveryState::Delivered);
}

/// A different order in each run.
pub(crate) fn shuffle(bodies: &mut [String]) {
    for place in (1..bodies.len()).rev() {
        let chance = uuid::Uuid::new_v4().as_u128() % (place as u128 + 1);
        bodies.swap(place, usize::try_from(chance).unwrap());
    }
}
