//! Tests of payment confirmations by clients.

use quittance_domain::upload::{UploadKind, UploadStatus};
use quittance_importer::import::{CHUNK, ImportEnd};
use serde_json::json;

use super::{ImportScene, MINUTES, pair};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

#[tokio::test]
async fn confirmed_payments_are_claims_and_pay_nothing_by_themselves() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let csv = "transaction_id,invoice_number,amount,currency,paid_on\nWIRE-1,2026-0001,100.00,EUR,2026-11-02\n";
    let file = json!({"payments": [{
        "transaction_id": "WIRE-2", "invoice_number": "2026-0001", "amount": {"value": "1.00", "currency": "EUR"},
        "paid_on": "2026-11-02",
    }]});
    for file in [csv.to_owned(), file.to_string()] {
        let upload = scene.announce(UploadKind::PaymentConfirmation, Some(nord), None).await;
        assert_eq!(scene.step(&upload, file.as_bytes(), MINUTES).await.unwrap(), ImportEnd::Finished);
        assert_eq!(scene.settle().await, 1);
        assert_eq!(scene.outcomes(&upload).await, ["claimed"]);
    }
    for name in ["manual:WIRE-1", "manual:WIRE-2"] {
        assert_eq!(scene.test.payment(name).await.0, "pending");
    }
    assert_eq!(scene.paid(invoice).await, pair("open", "0"));
}

#[tokio::test]
async fn typed_in_payments_count_only_with_the_picture_that_was_announced() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let typed = json!({"payments": [{
        "transaction_id": "WIRE-1", "invoice_number": "2026-0001", "amount": {"value": "1.00", "currency": "EUR"},
        "paid_on": "2026-11-02",
    }]});
    for (picture, status, lines) in [(PNG, UploadStatus::Accepted, 1), (b"GIF89a", UploadStatus::Refused, 0)] {
        let upload = scene.announce(UploadKind::PaymentConfirmation, Some(nord), Some(typed.clone())).await;
        scene.step(&upload, picture, MINUTES).await.unwrap();
        let upload = scene.outcome(&upload).await;
        assert_eq!((upload.status, scene.settle().await), (status, lines), "{:?}", upload.refusal);
    }
}

#[tokio::test]
async fn a_bank_statements_line_cannot_be_claimed() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let csv = "transaction_id,invoice_number,amount,currency,paid_on\nbank-1,2026-0001,100.00,EUR,2026-11-02\n";
    let upload = scene.announce(UploadKind::PaymentConfirmation, Some(nord), None).await;
    scene.step(&upload, csv.as_bytes(), MINUTES).await.unwrap();
    assert_eq!(scene.outcomes(&upload).await, ["rejected"]);
    assert_eq!(scene.settle().await, 0);
}

#[tokio::test]
async fn each_of_several_payments_in_one_file_is_a_claim_and_a_corrected_form_is_another() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let payment = |name: &str, value: &str| {
        json!({
            "transaction_id": name, "invoice_number": "2026-0001", "amount": {"value": value, "currency": "EUR"},
            "paid_on": "2026-11-02",
        })
    };
    let file = json!({"payments": [payment("WIRE-1", "1.00"), payment("WIRE-2", "2.00")]});
    let upload = scene.announce(UploadKind::PaymentConfirmation, Some(nord), None).await;
    scene.step(&upload, file.to_string().as_bytes(), MINUTES).await.unwrap();
    assert_eq!(scene.settle().await, 2);
    for value in ["3.00", "4.00"] {
        let typed = json!({"payments": [payment("WIRE-3", value), payment("WIRE-4", value)]});
        let upload = scene.announce(UploadKind::PaymentConfirmation, Some(nord), Some(typed)).await;
        scene.step(&upload, PNG, MINUTES).await.unwrap();
        assert_eq!(scene.settle().await, 2);
    }
    assert_eq!(scene.test.count("select count(*) from payments.facts").await, 6);
}

#[tokio::test]
async fn confirmations_go_on_where_an_invocation_was_stopped() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Nord").await;
    let mut csv = "transaction_id,invoice_number,amount,currency,paid_on\n".to_owned();
    for number in 0..CHUNK + 5 {
        csv += &format!("WIRE-{number},2026-0001,1.00,EUR,2026-11-02\n");
    }
    let upload = scene.announce(UploadKind::PaymentConfirmation, Some(nord), None).await;
    scene.services.take_only(CHUNK + 2);
    scene.step(&upload, csv.as_bytes(), MINUTES).await.unwrap_err();
    scene.services.take_only(usize::MAX);
    assert_eq!(scene.step(&upload, csv.as_bytes(), MINUTES).await.unwrap(), ImportEnd::Finished);
    assert_eq!(scene.services.take_sent().len(), CHUNK + 2 + 5, "two lines were handed on twice");
    assert_eq!(scene.outcome(&upload).await.status, UploadStatus::Accepted);
}
