//! The `Idempotency-Key`: each request takes effect once.

use serde_json::json;

use super::{fresh, scene, send};

#[test]
fn a_request_without_a_key_is_refused() {
    let scene = scene();
    let authorization = format!("Bearer {}", scene.own.token);
    let claim = scene.claim(&fresh("key")).to_string();
    let answer = send(&scene.stack, "POST", "/v1/payments", &[("authorization", &authorization)], &claim);
    answer.assert_problem(400, "invalid-request");
    assert_eq!(answer.pointers(), ["Idempotency-Key"]);
}

#[test]
fn the_same_key_and_body_get_the_same_answer_and_have_one_effect() {
    let scene = scene();
    let (reference, key) = (fresh("same"), fresh("key"));
    let claim = scene.claim(&reference).to_string();
    let first = scene.post_keyed(&scene.own.token, "/v1/payments", &key, &claim);
    assert_eq!(first.status, 202, "{}", first.body);
    let location = format!("/v1/payments/manual:{reference}");
    // The order of members and white space do not matter.
    let spaced = claim.replacen('{', "{\n  ", 1);
    for body in [&claim, &spaced, &claim] {
        let again = scene.post_keyed(&scene.own.token, "/v1/payments", &key, body);
        assert_eq!((again.status, &again.body), (202, &first.body));
        assert_eq!((again.header("location"), first.header("location")), (location.as_str(), location.as_str()));
    }
    scene.wait_for_payment(&format!("manual:{reference}"), "pending");
    assert_eq!(scene.facts_of(&reference), 1);
}

#[test]
fn the_same_key_with_another_body_is_refused_and_has_no_effect() {
    let scene = scene();
    let (first, second, key) = (fresh("first"), fresh("second"), fresh("key"));
    let claim = scene.claim(&first).to_string();
    assert_eq!(scene.post_keyed(&scene.own.token, "/v1/payments", &key, &claim).status, 202);
    let other = scene.claim(&second).to_string();
    scene.post_keyed(&scene.own.token, "/v1/payments", &key, &other).assert_problem(422, "idempotency-key-reused");
    scene.wait_for_payment(&format!("manual:{first}"), "pending");
    assert_eq!(scene.facts_of(&second), 0);
}

#[test]
fn a_key_belongs_to_its_caller() {
    let scene = scene();
    let (reference, key) = (fresh("mine"), fresh("key"));
    let own = scene.claim(&reference);
    let mut other = scene.claim(&format!("{reference}-other"));
    other["invoice_id"] = json!(scene.other.invoice);
    for (token, claim) in [(&scene.own.token, own), (&scene.other.token, other)] {
        assert_eq!(scene.post_keyed(token, "/v1/payments", &key, &claim.to_string()).status, 202);
    }
    for name in [reference.clone(), format!("{reference}-other")] {
        scene.wait_for_payment(&format!("manual:{name}"), "pending");
    }
}

#[test]
fn of_two_requests_at_once_with_one_key_one_runs() {
    let scene = scene();
    let (reference, key) = (fresh("twins"), fresh("key"));
    let claim = scene.claim(&reference).to_string();
    let statuses: Vec<u16> = std::thread::scope(|threads| {
        let ask = || scene.post_keyed(&scene.own.token, "/v1/payments", &key, &claim).status;
        let askers: Vec<_> = (0..4).map(|_| threads.spawn(ask)).collect();
        askers.into_iter().map(|asker| asker.join().unwrap()).collect()
    });
    assert!(statuses.contains(&202), "{statuses:?}");
    assert!(statuses.iter().all(|status| [202, 409].contains(status)), "{statuses:?}");
    scene.wait_for_payment(&format!("manual:{reference}"), "pending");
    assert_eq!(scene.facts_of(&reference), 1);
}
