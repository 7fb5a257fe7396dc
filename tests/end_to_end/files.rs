//! Uploaded files: accepted or refused as a whole.

use serde_json::{Value, json};
use xtask::aws::local_agent;

use super::{LIMIT, Scene, fresh, issue, scene, until};

const STATEMENT: &str = "bank_reference,transaction_id,invoice_number,amount,currency,booked_on\n";
const CONFIRMATION: &str = "transaction_id,invoice_number,amount,currency,paid_on\n";

impl Scene {
    /// Announces a file; the response has the upload URL.
    pub(super) fn announce(&self, token: &str, kind: &str, content_type: &str, size_bytes: usize) -> Value {
        let request = json!({"kind": kind, "content_type": content_type, "size_bytes": size_bytes});
        let started = self.post(token, "/v1/uploads", &request);
        assert_eq!(started.status, 201, "{}", started.body);
        started.json()
    }

    /// Uploads a file with a token and waits until it is accepted or refused.
    pub(super) fn upload(&self, token: &str, kind: &str, content_type: &str, file: &[u8]) -> Value {
        let started = self.announce(token, kind, content_type, file.len());
        assert_eq!(put(&started, content_type, file), 200);
        self.wait_for_upload(token, &started)
    }

    /// Waits until an announced file is accepted or refused, and returns its outcome.
    pub(super) fn wait_for_upload(&self, token: &str, started: &Value) -> Value {
        let path = format!("/v1/uploads/{}", started["id"].as_str().unwrap());
        until("the file to be taken or refused", || {
            let upload = self.get(token, &path).json();
            (upload["status"] == "accepted" || upload["status"] == "refused").then_some(upload)
        })
    }
}

/// Uploads a file to its announced URL, and returns S3's status.
pub(super) fn put(started: &Value, content_type: &str, file: &[u8]) -> u16 {
    let request = local_agent(LIMIT)
        .put(started["put"]["url"].as_str().unwrap())
        .header("content-type", content_type)
        .header("if-none-match", "*");
    request.send(file).unwrap().status().as_u16()
}

#[test]
fn a_file_with_a_broken_line_is_refused_whole_with_the_line_and_the_reason() {
    let scene = scene();
    let run = fresh("broken");
    let file = format!(
        "{STATEMENT}{run}-1,manual:{run}-1,INV-1,100.00,EUR,2026-11-02\n{run}-2,manual:{run}-2,INV-2,100.001,EUR,2026-11-02\n"
    );
    let upload = scene.upload(&scene.finance, "bank_statement", "text/csv", file.as_bytes());
    assert_eq!(upload["status"], "refused", "{upload}");
    let refusal = upload["refusal"].as_str().unwrap();
    assert!(refusal.starts_with("line 3: amount:"), "{refusal}");
    assert_eq!(upload["lines"], json!([]));
    // A refused file is refused before anything is sent, so no message can be in flight.
    assert_eq!(scene.facts_of(&run), 0);
}

#[test]
fn a_statements_line_that_names_no_invoice_of_ours_becomes_money_in_suspense() {
    let scene = scene();
    let run = fresh("suspense");
    let file = format!("{STATEMENT}{run}-1,manual:{run},no such invoice,12.34,EUR,2026-11-02\n");
    let upload = scene.upload(&scene.finance, "bank_statement", "text/csv", file.as_bytes());
    assert_eq!((&upload["status"], upload["lines"].as_array().unwrap().len()), (&json!("accepted"), 1), "{upload}");
    let payment = scene.wait_for_payment(&format!("manual:{run}"), "confirmed");
    assert_eq!((&payment["surplus"]["value"], &payment["invoice_id"]), (&json!("12.34"), &Value::Null));
}

#[test]
fn a_clients_file_cannot_attach_a_payment_to_anothers_invoice() {
    let scene = scene();
    let run = fresh("foreign");
    let invoice = issue(&scene.stack, &scene.finance, &scene.other.id);
    let number = invoice["number"].as_str().unwrap();
    let file = format!("{CONFIRMATION}manual:{run},{number},100.00,EUR,2026-11-02\n");
    let upload = scene.upload(&scene.own.token, "payment_confirmation", "text/csv", file.as_bytes());
    assert_eq!(upload["status"], "accepted", "{upload}");
    let payment = scene.wait_for_payment(&format!("manual:{run}"), "pending");
    assert_eq!(payment["invoice_id"], Value::Null);
    scene.get(&scene.other.token, &format!("/v1/payments/{run}")).assert_problem(404, "not-found");
}
