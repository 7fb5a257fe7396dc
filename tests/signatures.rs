//! Signatures of webhooks, verified by the standard's own library for Python. Its library for Rust verifies deliveries
//! in `end_to_end/delivery`.

use std::process::Command;

use chrono::Utc;
use quittance_delivery::signature::{Signer, signatures};
use xtask::paths::workspace_root;
use xtask::python::Venv;

const OLD: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";
const NEW: &str = "whsec_bm1sa2ppaGdmZWRjYmE5ODc2NTQzMjEw";
const STRANGER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

const VERIFY: &str = "
import sys
from standardwebhooks.webhooks import Webhook
secret, signature, timestamp, body = sys.argv[1:]
Webhook(secret).verify(body, {'webhook-id': 'msg_1', 'webhook-timestamp': timestamp, 'webhook-signature': signature})
";

fn is_believed(secret: &str, signature: &str, timestamp: i64, body: &str) -> bool {
    let python = Venv::ensure(&workspace_root()).unwrap().python();
    let output =
        Command::new(python).args(["-c", VERIFY, secret, signature, &timestamp.to_string(), body]).output().unwrap();
    let reported = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || reported.contains("WebhookVerificationError"), "{reported}");
    output.status.success()
}

#[test]
fn a_receiver_that_uses_the_standards_library_believes_either_secret_while_one_takes_over_from_the_other() {
    let (now, body) = (Utc::now().timestamp(), r#"{"type":"invoice.paid","text":"Ünïcode"}"#);
    let signature = signatures(&[Signer::new(NEW).unwrap(), Signer::new(OLD).unwrap()], "msg_1", now, body);
    assert!(is_believed(OLD, &signature, now, body));
    assert!(is_believed(NEW, &signature, now, body));
    assert!(!is_believed(STRANGER, &signature, now, body));
    assert!(!is_believed(NEW, &signature, now, &body.replace("paid", "void")));
    assert!(!is_believed(NEW, &signature, now + 1, body), "the time is signed too");
}
