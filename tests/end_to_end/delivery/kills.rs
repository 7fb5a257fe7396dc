//! Every event five times, in any order, with a worker killed at every step: one webhook id, and nothing lost.
//!
//! A worker does nothing between two calls that anybody else could see. So it is killed at each call: before the other side
//! has heard of it, and after the other side has done it but before the worker knows.

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
use super::{TIME, Telling, aws_at, invocation};
use crate::end_to_end::scene;

/// More calls than a worker makes.
pub(crate) const CALLS_MAX: usize = 40;

/// When a worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The call is not made any more.
    Before,
    /// The call is made, and nobody hears the answer.
    After,
}

#[derive(Debug, Default)]
struct Plan {
    calls: usize,
    kill: Option<(usize, Moment)>,
}

/// The way to the emulator, at one call of which the caller dies.
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

    /// Runs a worker that dies at a call; answers whether it lived, because there is no such call.
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

/// What the receiver got of an event: ids, and how often.
fn heard(receiver: &Receiver, body_part: &str) -> (BTreeSet<String>, usize) {
    let told: Vec<_> = receiver.told().into_iter().filter(|told| told.body.contains(body_part)).collect();
    (told.iter().map(super::receiver::Told::webhook_id).collect(), told.len())
}

#[tokio::test]
async fn an_event_that_comes_five_times_with_a_kill_at_every_step_of_recording_it_is_told_once() {
    let (telling, way, receiver) = (Telling::begin().await, Way::open().await, Receiver::that(&[]));
    let (endpoint, _) = telling.register(&receiver).await;
    let recording = telling.recording(&aws_at(&way.url)).await;
    let delivering = telling.delivering(&aws_at(&way.url)).await;
    let (mut kills, mut events) = (0, 0);
    for moment in [Moment::Before, Moment::After] {
        for call in 1..CALLS_MAX {
            let (id, body) = telling.event();
            events += 1;
            let work = async { drop(recording.handle(invocation(std::slice::from_ref(&body))).await.unwrap()) };
            let lived = way.run(Some((call, moment)), work).await;
            // The queue hands it out again, beside others.
            let other = telling.event();
            events += 1;
            let mut bodies = vec![body.clone(), other.1.clone(), body.clone(), other.1, body.clone(), body];
            shuffle(&mut bodies);
            // Once before it is delivered, and once after.
            for _ in 0..2 {
                let again = async {
                    assert!(recording.handle(invocation(&bodies)).await.unwrap().batch_item_failures.is_empty());
                };
                assert!(way.run(None, again).await);
                for delivery in telling.deliveries(endpoint).await {
                    let due = DueDelivery { recipient: endpoint, event_key: delivery.event_key };
                    assert_eq!(telling.deliver(&delivering, &[due.clone(), due]).await, 0);
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
        telling.deliveries(endpoint).await.iter().filter_map(|delivery| delivery.sequence).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=events).collect::<Vec<u64>>(), "numbers of one invoice have no gap and no double");
}

#[tokio::test]
async fn a_worker_that_is_killed_at_any_step_of_an_attempt_leaves_it_to_another_under_the_same_id() {
    let (telling, way, receiver) = (Telling::begin().await, Way::open().await, Receiver::that(&[]));
    let (endpoint, secret) = telling.register(&receiver).await;
    let mut kills = 0;
    for moment in [Moment::Before, Moment::After] {
        for call in 1..CALLS_MAX {
            // Each worker is a new instance, which reads the secret anew.
            let delivering = telling.delivering(&aws_at(&way.url)).await;
            let due = telling.record(endpoint).await;
            let id = due.event_key.id().to_string();
            let lived = way
                .run(Some((call, moment)), async {
                    let _ends = telling.deliver(&delivering, std::slice::from_ref(&due)).await;
                })
                .await;
            telling.let_time_pass(&due);
            // Its message comes five times; one attempt is made of them, or none if it is known to be delivered.
            let again = async { assert_eq!(telling.deliver(&delivering, &vec![due.clone(); 5]).await, 0) };
            assert!(way.run(None, again).await);
            assert_eq!(telling.delivery(&due).await.state, DeliveryState::Delivered, "killed {moment:?} call {call}");
            let (ids, times) = heard(&receiver, &id);
            assert_eq!(ids, [id.clone()].into(), "killed {moment:?} call {call}");
            // Twice only if the receiver's answer was lost with the worker.
            assert!(times == 1 || (times == 2 && !lived), "{times} times, killed {moment:?} call {call}");
            if lived {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 8, "only {kills} kills");
    assert!(receiver.told().iter().all(|told| told.is_signed_with(&secret)));
}

#[tokio::test]
async fn a_worker_that_is_killed_while_the_receiver_has_the_webhook_leaves_it_to_another() {
    let telling = Telling::begin().await;
    let receiver = Receiver::that(&[Manner::Hangs]);
    let (endpoint, _) = telling.register(&receiver).await;
    let delivering = telling.delivering(&super::root(&scene().stack)).await;
    let due = telling.record(endpoint).await;
    let arrived = async {
        while receiver.told().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = telling.deliver(&delivering, std::slice::from_ref(&due)) => panic!("the receiver hangs"),
        () = arrived => {}
    }
    assert_eq!(telling.deliver(&delivering, std::slice::from_ref(&due)).await, 0);
    assert_eq!(receiver.told().len(), 1, "while the dead worker's lease holds, nobody else attempts it");
    telling.let_time_pass(&due);
    assert_eq!(telling.deliver(&delivering, std::slice::from_ref(&due)).await, 0);
    let (ids, times) = heard(&receiver, "");
    assert_eq!((ids.len(), times), (1, 2));
    assert_eq!(telling.delivery(&due).await.state, DeliveryState::Delivered);
}

/// Another order in each run.
pub(crate) fn shuffle(bodies: &mut [String]) {
    for place in (1..bodies.len()).rev() {
        let chance = uuid::Uuid::new_v4().as_u128() % (place as u128 + 1);
        bodies.swap(place, usize::try_from(chance).unwrap());
    }
}
