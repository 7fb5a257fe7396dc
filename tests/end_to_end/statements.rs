//! Bank statements, from the announcement to the invoices that their lines pay.

use std::io::{Cursor, Write};

use quittance_domain::creditor_reference::CreditorReference;
use quittance_domain::upload::CONFIRMATION_BYTES_MAX;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::files::put;
use super::{Scene, euros, fresh, issue, made, post_as, scene, until};
use crate::importer::statement::{Entry, camt};

const XML: &str = "application/xml";

/// A client with a unique name.
struct Payer {
    id: String,
    name: String,
}

impl Payer {
    fn make(scene: &Scene) -> Self {
        let name = format!("Schrauben {} GmbH", fresh("Nord"));
        let email = format!("{}@test.example", fresh("accounts"));
        let details = json!({"name": name, "email": email, "address": ["Weg 1"]});
        let client = made(&post_as(&scene.stack, &scene.finance, "/v1/clients", &details), 201);
        Self { id: client["id"].as_str().unwrap().to_owned(), name }
    }

    /// Id and number of a new invoice over 100.00 EUR.
    fn invoice(&self, scene: &Scene) -> (String, String) {
        let invoice = issue(&scene.stack, &scene.finance, &self.id);
        let text = |member: &str| invoice[member].as_str().unwrap().to_owned();
        (text("id"), text("number"))
    }
}

impl Scene {
    fn wait_for_paid(&self, invoice: &str, status: &str, paid: &str) {
        until(&format!("invoice {invoice} to be {status}"), || {
            let invoice = self.get(&self.finance, &format!("/v1/invoices/{invoice}")).json();
            (invoice["status"] == status && invoice["paid"]["value"] == paid).then_some(())
        });
    }

    fn statement(&self, content_type: &str, file: &[u8]) -> Value {
        let upload = self.upload(&self.finance, "bank_statement", content_type, file);
        assert_eq!(upload["status"], "accepted", "{upload}");
        upload
    }
}

fn outcomes(upload: &Value) -> Vec<&str> {
    upload["lines"].as_array().unwrap().iter().map(|line| line["outcome"].as_str().unwrap()).collect()
}

fn zipped(name: &str, content: &str) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(name, SimpleFileOptions::default()).unwrap();
    archive.write_all(content.as_bytes()).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn each_line_of_an_uploaded_statement_pays_what_it_names_and_the_file_counts_once() {
    let scene = scene();
    let payer = Payer::make(scene);
    let [referenced, claimed, first, second, short, doubted] = std::array::from_fn(|_| payer.invoice(scene));
    // An end-to-end id has at most 35 characters.
    let wire = fresh("w");
    let token = scene.stack.token(&xtask::users::Role::Client(payer.id.clone())).unwrap();
    let claim =
        json!({"transaction_id": wire, "provider": "manual", "invoice_id": claimed.0, "amount": euros("100.00")});
    assert_eq!(scene.post(&token, "/v1/payments", &claim).status, 202);
    scene.wait_for_payment(&wire, "pending");

    let reference = CreditorReference::of_number(&referenced.1).unwrap().to_string();
    let file = camt(&[
        Entry::credit("100.00", "Anybody", &reference),
        Entry::credit("100.00", "Holding SE", "").end_to_end(&wire),
        Entry::credit("200.00", &payer.name, &format!("{}, {}", first.1, second.1)),
        Entry::credit("97.50", &payer.name, &format!("Invoice {}", short.1)).sent_as("100.00"),
        Entry::credit("70.00", "Somebody", &doubted.1),
    ]);
    let upload = scene.statement(XML, file.as_bytes());
    assert_eq!(outcomes(&upload), ["matched", "matched", "matched", "matched", "unmatched"], "{upload}");
    assert_eq!((&upload["lines_total"], &upload["lines_done"]), (&json!(5), &json!(5)));
    let line = |place: usize| &upload["lines"][place];
    assert_eq!(line(2)["invoice_ids"], json!([first.0, second.0]));
    let reason = line(3)["reason"].as_str().unwrap();
    assert!(reason.contains("less 2.50 EUR, which banks took"), "{reason}");
    let best = &line(4)["candidates"][0];
    assert_eq!((&best["invoice_id"], &best["number"]), (&json!(doubted.0), &json!(doubted.1)), "{upload}");

    for (invoice, status, paid) in [
        (&referenced, "paid", "100.00"),
        (&claimed, "paid", "100.00"),
        (&first, "paid", "100.00"),
        (&second, "paid", "100.00"),
        (&short, "partially_paid", "97.50"),
    ] {
        scene.wait_for_paid(&invoice.0, status, paid);
    }
    assert_eq!(scene.wait_for_payment(&wire, "confirmed")["invoice_id"], claimed.0);
    let payments = "select count(*) from payments.payments where 'inv_' || replace(invoice_id::text, '-', '') = $1";
    assert_eq!(scene.count(payments, &claimed.0), 1, "the claim and its line are one payment");
    let suspense = scene.wait_for_payment(line(4)["transaction_id"].as_str().unwrap(), "confirmed");
    assert_eq!((&suspense["surplus"]["value"], &suspense["invoice_id"]), (&json!("70.00"), &Value::Null));
    let cases = "select count(*) from payments.cases join payments.payments on payments.id = payment_id
        where transaction_id = $1 and cases.status = 'open'";
    assert_eq!(scene.count(cases, line(4)["transaction_id"].as_str().unwrap()), 1);
    scene.wait_for_paid(&doubted.0, "open", "0.00");

    let again = scene.statement(XML, file.as_bytes());
    assert_eq!(outcomes(&again), ["duplicate"; 5]);
    let names = again["lines"].as_array().unwrap().iter().filter(|line| !line["transaction_id"].is_null()).count();
    assert_eq!(names, 0, "nothing of it is handed on");
}

#[test]
fn a_zipped_mt940_file_is_taken() {
    let scene = scene();
    let payer = Payer::make(scene);
    let (invoice, number) = payer.invoice(scene);
    // A subfield has 27 characters; the name continues in the next.
    let (name, rest) = payer.name.split_at(27);
    let file = format!(
        ":20:S1\r\n:25:DE75512108001245126199\r\n:28C:7/1\r\n:60F:C261101EUR5,00\r\n\
         :61:2611021102C100,00NTRFNONREF//{}\r\n:86:166?00CREDIT?20Invoice {number}?32{name}?33{rest}\r\n\
         :62F:C261102EUR105,00\r\n-\r\n",
        &fresh("B")[..16],
    );
    let upload = scene.statement("application/zip", &zipped("november.sta", &file));
    assert_eq!(outcomes(&upload), ["matched"], "{upload}");
    let format = upload["format"].as_str().unwrap();
    assert!(format.contains("MT940"), "{format}");
    scene.wait_for_paid(&invoice, "paid", "100.00");
}

#[test]
fn the_lines_of_an_upload_come_in_pages_and_by_outcome() {
    let scene = scene();
    let run = fresh("page");
    let mut entries: Vec<Entry> = (0..5).map(|place| Entry::credit(&format!("{place}1.00"), "Nord", &run)).collect();
    entries.push(Entry::debit("3.00", &run));
    let upload = scene.statement(XML, camt(&entries).as_bytes());
    assert_eq!(upload["outcomes"], json!({"unmatched": 5, "ignored": 1}));
    let path = format!("/v1/uploads/{}", upload["id"].as_str().unwrap());
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = scene.get(&scene.finance, &format!("{path}?limit=4{cursor}")).json();
        let lines = page["lines"].as_array().unwrap();
        assert!(lines.len() <= 4);
        seen.extend(lines.iter().map(|line| line["line"].as_u64().unwrap()));
        pages += 1;
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((seen, pages), (vec![1, 2, 3, 4, 5, 6], 2));
    let ignored = scene.get(&scene.finance, &format!("{path}?outcome=ignored")).json();
    assert_eq!((outcomes(&ignored), &ignored["lines"][0]["line"]), (vec!["ignored"], &json!(6)));
    assert_eq!(scene.get(&scene.finance, &format!("{path}?outcome=lost")).status, 400);
}

#[test]
fn a_client_neither_brings_nor_sees_bank_statements() {
    let scene = scene();
    let request = json!({"kind": "bank_statement", "content_type": XML, "size_bytes": 100});
    scene.post(&scene.own.token, "/v1/uploads", &request).assert_problem(403, "forbidden");
    let announced = scene.announce(&scene.finance, "bank_statement", XML, 100);
    let path = format!("/v1/uploads/{}", announced["id"].as_str().unwrap());
    scene.get(&scene.own.token, &path).assert_problem(404, "not-found");
}

#[test]
fn a_url_takes_only_as_many_bytes_of_that_type_as_were_announced() {
    let scene = scene();
    let file = camt(&[Entry::credit("1.00", "Nord", &fresh("other"))]);
    let started = scene.announce(&scene.finance, "bank_statement", XML, file.len());
    assert_eq!(put(&started, XML, format!("{file}\n").as_bytes()), 403, "longer");
    assert_eq!(put(&started, XML, &file.as_bytes()[1..]), 403, "shorter");
    assert_eq!(put(&started, "text/csv", file.as_bytes()), 403, "another type");
    assert_eq!(put(&started, XML, file.as_bytes()), 200);
    assert_eq!(scene.wait_for_upload(&scene.finance, &started)["status"], "accepted");
}

#[test]
fn a_file_that_is_too_large_and_came_past_its_url_is_refused() {
    let scene = scene();
    let started = scene.announce(&scene.own.token, "payment_confirmation", "text/csv", 100);
    let url: ureq::http::Uri = started["put"]["url"].as_str().unwrap().parse().unwrap();
    let (bucket, key) = url.path().trim_start_matches('/').split_once('/').unwrap();
    let file = vec![b' '; CONFIRMATION_BYTES_MAX as usize + 1];
    scene.stack.aws().unwrap().s3_put(bucket, key, "text/csv", &file).unwrap();
    let upload = scene.wait_for_upload(&scene.own.token, &started);
    assert_eq!(upload["status"], "refused", "{upload}");
    let refusal = upload["refusal"].as_str().unwrap();
    assert!(refusal.contains("too large"), "{refusal}");
}
