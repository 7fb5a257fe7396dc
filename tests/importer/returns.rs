//! Money that banks took back.

use super::statement::{Entry, camt};
use super::{ImportScene, euros, pair};

/// The day after a collection: an MT940 entry on the same account.
fn mt940(entry: &str, closing: &str) -> String {
    format!(":20:A\n:25:DE75512108001245126199\n:28C:2\n:60F:C261103EUR1000,\n{entry}:62F:C261104EUR{closing}\n-\n")
}

fn collected(scene: &ImportScene) -> impl Future<Output = quittance_store::uploads::Upload> {
    let received = Entry::credit("119.00", "Schrauben Nord", "2026-0001").end_to_end("DD-117");
    let file = camt(&[received]);
    async move { scene.statement(&file).await }
}

async fn open_cases(scene: &ImportScene) -> Vec<(String, String)> {
    let query = "select kind, reason from payments.cases where status = 'open' order by kind";
    sqlx::query_as(query).fetch_all(&scene.test.admin).await.unwrap()
}

#[tokio::test]
async fn a_return_known_only_by_its_code_reopens_the_invoice_and_keeps_its_reason() {
    for information in
        ["109?00RETOURE?20EREF+DD-117?34914", "108?00RETOURE?20EREF+DD-117?34914", "/EREF/DD-117/RTRN/914"]
    {
        let scene = ImportScene::begin().await;
        let nord = scene.client("Schrauben Nord GmbH").await;
        let invoice = scene.invoice(nord, "2026-0001", "119.00").await;
        collected(&scene).await;
        assert_eq!(scene.paid(invoice).await, pair("paid", "119"));
        let file = mt940(&format!(":61:2611041104D119,00NDDTNONREF\n:86:{information}\n"), "881,");
        let upload = scene.statement(&file).await;
        assert_eq!(scene.outcomes(&upload).await, ["returned"], "{information}");
        assert_eq!(scene.paid(invoice).await, pair("open", "0"));
        let line = &scene.lines(&upload).await[0].line;
        assert_eq!(line.return_reason.as_deref(), Some("914"));
        let reported: String = sqlx::query_scalar("select reason from payments.facts where kind = 'reversal'")
            .fetch_one(&scene.test.admin)
            .await
            .unwrap();
        assert!(reported.starts_with("914: "), "{reported}");
        scene.test.assert_books_hold().await;
    }
}

#[tokio::test]
async fn a_return_with_the_banks_fee_takes_back_what_was_collected_and_books_the_fee_once() {
    let mt940 = mt940(
        ":61:2611041104D122,50NRTINONREF\n:86:109?00RETOURE?20EREF+DD-117?21OAMT+119,00?22COAM+3,50?34914\n",
        "877,50",
    );
    let taken = Entry::debit("122.50", "Schrauben Nord").end_to_end("DD-117").returned().on("2026-11-04");
    let with_charges = camt(&[taken.sent_as("119.00")]).replace(
        "</RltdPties>",
        r#"</RltdPties><Chrgs><Rcrd><Amt Ccy="EUR">3.50</Amt><CdtDbtInd>DBIT</CdtDbtInd></Rcrd></Chrgs>"#,
    );
    for file in [mt940, with_charges] {
        let scene = ImportScene::begin().await;
        let nord = scene.client("Schrauben Nord GmbH").await;
        let invoice = scene.invoice(nord, "2026-0001", "119.00").await;
        collected(&scene).await;
        let first = scene.statement(&file).await;
        assert_eq!(scene.outcomes(&first).await, ["returned"]);
        assert_eq!(scene.lines(&first).await[0].line.decision.bank_fee, Some(euros("3.50")));
        assert_eq!(scene.paid(invoice).await, pair("open", "0"));
        let again = scene.statement(&file).await;
        assert_eq!(scene.outcomes(&again).await, ["duplicate"]);
        let fees =
            "select count(*) from billing.adjustments where kind = 'fee' and provider = 'manual' and amount = 3.5";
        assert_eq!(scene.test.count(fees).await, 1);
        assert_eq!(
            scene.test.count("select count(*) from payments.outbox where type = 'adjustment.recorded'").await,
            1
        );
        assert_eq!(open_cases(&scene).await, []);
        scene.test.assert_books_hold().await;
    }
}

#[tokio::test]
async fn a_return_that_cannot_be_assigned_opens_a_case_that_names_the_likely_payment() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let invoice = scene.invoice(nord, "2026-0001", "119.00").await;
    let came = collected(&scene).await;
    let name = scene.lines(&came).await[0].line.decision.transaction_id.clone().unwrap();
    let file = mt940(":61:2611041104D125,00NRTINONREF\n:86:109?00RETOURE?20EREF+DD-117?34914\n", "875,");
    let upload = scene.statement(&file).await;
    assert_eq!(scene.outcomes(&upload).await, ["rejected"]);
    assert_eq!(scene.paid(invoice).await, pair("paid", "119"), "nobody knows that it is this payment");
    let cases = open_cases(&scene).await;
    assert!(
        matches!(cases.as_slice(), [(kind, reason)] if kind == "overdrawn" && reason.contains(name.as_str())),
        "{cases:?}"
    );
    let again = scene.statement(&file).await;
    assert_eq!(scene.outcomes(&again).await, ["duplicate"]);
    assert_eq!(open_cases(&scene).await.len(), 1);
    let duplicate = scene.lines(&upload).await[0].line.decision.transaction_id.clone().unwrap();
    scene.decide(&crate::database::staff::merge(name.as_str(), duplicate.as_str(), "m-1")).await;
    assert_eq!(scene.paid(invoice).await, pair("open", "0"), "staff know which payment was taken back");
    scene.test.assert_books_hold().await;
}

#[tokio::test]
async fn a_code_that_stands_for_other_debits_too_is_a_return_only_of_what_came() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let invoice = scene.invoice(nord, "2026-0001", "119.00").await;
    collected(&scene).await;
    let entry = |id: &str| format!(":61:2611041104D119,00NDDTNONREF\n:86:104?00LASTSCHRIFT B2B?20EREF+{id}\n");
    let upload = scene.statement(&mt940(&[entry("OTHER-1"), entry("DD-117")].concat(), "762,")).await;
    assert_eq!(scene.outcomes(&upload).await, ["ignored", "returned"]);
    assert_eq!(scene.paid(invoice).await, pair("open", "0"));
}
