//! The request guard: callers are counted, refusals are recorded.

use chrono::{DateTime, Utc};
use quittance_lambda::rate_limits::RateLimit::{Api, Payments};
use quittance_lambda::rate_limits::RateLimits;
use quittance_lambda::request_guard::RequestGuard;
use serde_json::json;

use super::delivery::root;
use super::{fresh, scene};

#[tokio::test]
async fn a_caller_has_so_many_requests_a_minute_and_others_beside_it() {
    let stack = &scene().stack;
    let limits = RateLimits { api: 3, payments: 1 };
    let guard = RequestGuard::new(&root(stack), stack.output("RequestGuardTableName").unwrap().to_owned(), limits);
    let (caller, other) = (fresh("client"), fresh("client"));
    let noon: DateTime<Utc> = "2099-11-02T12:00:00Z".parse().unwrap();
    for expected in [true, true, true, false, false] {
        assert_eq!(guard.admit(&caller, Api, noon).await.unwrap(), expected);
    }
    assert!(guard.admit(&other, Api, noon).await.unwrap(), "each is counted by itself");
    let later = noon + chrono::TimeDelta::minutes(1);
    assert!(guard.admit(&caller, Api, later).await.unwrap(), "the next minute begins anew");
    for expected in [true, false] {
        assert_eq!(guard.admit(&caller, Payments, noon).await.unwrap(), expected, "payments have their own limit");
    }
}

#[test]
fn what_either_room_of_the_api_refuses_leaves_a_record() {
    let scene = scene();
    for path in ["/v1/payments", "/v1/clients"] {
        let body = json!({"nonsense": fresh(path)});
        scene.post(&scene.finance, path, &body).assert_problem(400, "invalid-request");
        let refused = scene.rejections_of(&body.to_string());
        assert_eq!(refused.len(), 1, "{path}");
        assert_eq!(refused[0]["reason"]["S"], "invalid_request");
        assert!(refused[0]["source"]["S"].as_str().unwrap().starts_with("user:"));
    }
}
