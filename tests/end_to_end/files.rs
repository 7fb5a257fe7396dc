//! Uploaded files: taken whole or refused whole.

use serde_json::{Value, json};
use xtask::aws::local_agent;

use super::{LIMIT, Scene, fresh, issue, scene, until};

const STATEMENT: &str = "bank_reference,transaction_id,invoice_number,amount,currency,booked_on\n";
const CONFIRMATION: &str = "transaction_id,invoice_number,amount,currency,paid_on\n";

impl Scene {
    /// Uploads a file as the owner of a token and waits for what becomes of it.
    fn upload(&self, token: &str, kind: &str, file: &str) -> Value {
        let request = json!({"kind": kind, "size_bytes": file.len()});
        let started = self.post(token, "/v1/uploads", &request);
        assert_eq!(started.status, 201, "{}", started.body);
        let started = started.json();
        let put = local_agent(LIMIT).put(started["put"]["url"].as_str().unwrap()).header("content-type", "text/csv");
        assert_eq!(put.send(file).unwrap().status().as_u16(), 200);
        let path = format!("/v1/uploads/{}", started["id"].as_str().unwrap());
        until("the file to be taken or refused", || {
            let upload = self.get(token, &path).json();
            (upload["status"] != "awaiting_file").then_some(upload)
        })
    }
}

#[test]
fn a_file_with_a_broken_line_is_refused_whole_with_the_line_and_the_reason() {
    let scene = scene();
    let run = fresh("broken");
    let file = format!(
        "{STATEMENT}{run}-1,manual:{run}-1,INV-1,100.00,EUR,2026-11-02\n{run}-2,manual:{run}-2,INV-2,100.001,EUR,2026-11-02\n"
    );
    let upload = scene.upload(&scene.finance, "bank_statement", &file);
    assert_eq!(upload["status"], "refused", "{upload}");
    let refusal = upload["refusal"].as_str().unwrap();
    assert!(refusal.starts_with("line 3: amount:"), "{refusal}");
    assert_eq!(upload["lines"], json!([]));
    // What was refused is refused before anything is sent, so nothing can still be on its way.
    assert_eq!(scene.facts_of(&run), 0);
}

#[test]
fn a_statements_line_that_names_no_invoice_of_ours_becomes_money_in_suspense() {
    let scene = scene();
    let run = fresh("suspense");
    let file = format!("{STATEMENT}{run}-1,manual:{run},no such invoice,12.34,EUR,2026-11-02\n");
    let upload = scene.upload(&scene.finance, "bank_statement", &file);
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
    let upload = scene.upload(&scene.own.token, "payment_confirmation", &file);
    assert_eq!(upload["status"], "accepted", "{upload}");
    let payment = scene.wait_for_payment(&format!("manual:{run}"), "pending");
    assert_eq!(payment["invoice_id"], Value::Null);
    scene.get(&scene.other.token, &format!("/v1/payments/{run}")).assert_problem(404, "not-found");
}
