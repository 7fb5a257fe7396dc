//! Statements in CSV: booking status, and rows of two files that report one movement.

use quittance_domain::creditor_reference::CreditorReference;

use super::{ImportScene, euros, pair};

#[tokio::test]
async fn a_transfer_that_is_announced_first_counts_once_when_it_is_booked() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let file = |day: &str, info: &str| {
        format!(
            "Buchungstag;Name;Verwendungszweck;Betrag;Waehrung;Info\n{day};Schrauben Nord;2026-0001;100,00;EUR;{info}\n"
        )
    };
    let announced = scene.statement(&file("03.11.26", "Umsatz vorgemerkt")).await;
    assert_eq!(scene.outcomes(&announced).await, ["ignored"]);
    let reason = scene.lines(&announced).await[0].line.decision.reason.clone().unwrap();
    assert!(reason.starts_with("it is not booked yet"), "{reason}");
    assert_eq!(scene.paid(invoice).await, pair("open", "0"));
    let booked = scene.statement(&file("04.11.26", "Umsatz gebucht")).await;
    assert_eq!(scene.outcomes(&booked).await, ["matched"]);
    assert_eq!(scene.paid(invoice).await, pair("paid", "100"));
    assert_eq!(scene.test.count("select count(*) from payments.payments").await, 1);
}

#[tokio::test]
async fn failed_entries_are_ignored_with_the_banks_word_and_an_unknown_word_is_rejected() {
    let scene = ImportScene::begin().await;
    let file = "Date;Payer;Amount;Currency;State\n2026-11-03;Nord;5.00;EUR;COMPLETED\n2026-11-03;Nord;6.00;EUR;REVERTED\n\
                2026-11-03;Nord;7.00;EUR;Escheated\n";
    let upload = scene.statement(file).await;
    assert_eq!(scene.outcomes(&upload).await, ["unmatched", "ignored", "rejected"]);
    let lines = scene.lines(&upload).await;
    for (line, word) in lines[1..].iter().zip(["REVERTED", "Escheated"]) {
        assert!(line.line.decision.reason.as_ref().unwrap().contains(word));
    }
    assert_eq!(scene.test.count("select count(*) from payments.payments").await, 1);
}

#[tokio::test]
async fn payers_who_write_one_reference_on_one_day_stay_apart_in_any_order() {
    let agnes = "2026-11-03;AGNES KOTTER;CLUB;49.00\n";
    let boris = "2026-11-03;BORIS LEHN;CLUB;49.00\n";
    for header in ["Date;Description;Reference;Amount EUR\n", "Date;Sent by;Reference;Amount EUR\n"] {
        for both in [[agnes, boris].concat(), [boris, agnes].concat()] {
            let scene = ImportScene::begin().await;
            let monday = scene.statement(&[header, agnes].concat()).await;
            assert_eq!(scene.outcomes(&monday).await, ["unmatched"]);
            let tuesday = scene.statement(&[header, &both].concat()).await;
            let expected =
                if both.starts_with(agnes) { ["duplicate", "unmatched"] } else { ["unmatched", "duplicate"] };
            assert_eq!(scene.outcomes(&tuesday).await, expected, "{header}{both}");
            assert_eq!(scene.test.count("select count(*) from payments.payments").await, 2);
        }
    }
}

#[tokio::test]
async fn a_category_that_somebody_changed_makes_no_second_payment() {
    let scene = ImportScene::begin().await;
    let file = |category: &str| format!("Date;Description;Amount EUR;Category\n2026-11-03;Agnes;49.00;{category}\n");
    scene.statement(&file("Income")).await;
    let again = scene.statement(&file("Membership fees")).await;
    assert_eq!(scene.outcomes(&again).await, ["duplicate"]);
}

#[tokio::test]
async fn a_banks_reference_that_two_payers_share_is_for_somebody_to_look_at() {
    let scene = ImportScene::begin().await;
    let file = |payer: &str| format!("Date;Payer;Bank reference;Amount EUR\n2026-11-03;{payer};B-1;49.00\n");
    scene.statement(&file("Agnes Kotter")).await;
    let other = scene.statement(&file("Boris Lehn")).await;
    assert_eq!(scene.outcomes(&other).await, ["rejected"]);
    let same = scene.statement(&file("AGNES KOTTER")).await;
    assert_eq!(scene.outcomes(&same).await, ["duplicate"]);
}

#[tokio::test]
async fn the_invoice_is_found_in_the_payers_own_reference_and_the_text_that_names_it_is_shown() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let file = "Date;Payer;Reference;Amount EUR\n2026-11-03;Schrauben Nord;for 2026-0001;100.00\n";
    let upload = scene.statement(file).await;
    assert_eq!(scene.outcomes(&upload).await, ["matched"]);
    assert_eq!(scene.paid(invoice).await, pair("paid", "100"));
    let line = &scene.lines(&upload).await[0].line;
    assert_eq!((line.remittance.as_deref(), line.decision.matched_text.as_deref()), (None, Some("for 2026-0001")));
}

#[tokio::test]
async fn mt940_and_camt_name_one_account_whatever_currency_stands_behind_it() {
    let camt = super::statement::camt(&[super::statement::Entry::credit("250.00", "Nord", "").known_as("B-1")]);
    for account in ["DE75512108001245126199 EUR", "DE75512108001245126199EUR"] {
        let scene = ImportScene::begin().await;
        let mt940 = format!(
            ":20:A\n:25:{account}\n:28C:1\n:60F:C261102EUR1000,\n:61:261103C250,NTRFNONREF//B-1\n:86:/ORDP//NAME/Nord\n\
             :62F:C261103EUR1250,\n-\n"
        );
        assert_eq!(scene.outcomes(&scene.statement(&mt940).await).await, ["unmatched"]);
        assert_eq!(scene.outcomes(&scene.statement(&camt).await).await, ["duplicate"], "{account}");
    }
}

#[tokio::test]
async fn a_line_whose_money_is_all_unapplied_is_not_matched() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let reference = CreditorReference::of_number("2026-0001").unwrap().to_string();
    let file = |day: &str| format!("Date;Payer;Details;Amount EUR\n{day};Schrauben Nord;{reference};100.00\n");
    let first = scene.statement(&file("2026-11-03")).await;
    let second = scene.statement(&file("2026-11-04")).await;
    assert_eq!(scene.paid(invoice).await, pair("paid", "100"));
    let outcome = |lines: &[quittance_store::upload_lines::LineView]| {
        lines[0].settled_as.unwrap_or(lines[0].line.decision.outcome).to_string()
    };
    assert_eq!(outcome(&scene.lines(&first).await), "matched");
    assert_eq!(outcome(&scene.lines(&second).await), "unmatched", "it was decided as a match, and became surplus");
    let counts = quittance_store::upload_lines::counts(&scene.billing, second.id).await.unwrap();
    assert_eq!(counts, [(quittance_domain::upload::LineOutcome::Unmatched, 1)]);
}

#[tokio::test]
async fn a_line_whose_money_pays_an_invoice_after_all_is_matched() {
    let scene = ImportScene::begin().await;
    let nord = scene.client("Schrauben Nord GmbH").await;
    let invoice = scene.invoice(nord, "2026-0001", "100.00").await;
    let upload = scene.statement("Date;Payer;Details;Amount EUR\n2026-11-03;Somebody;thanks;100.00\n").await;
    assert_eq!(scene.outcomes(&upload).await, ["unmatched"]);
    let name = scene.lines(&upload).await[0].line.decision.transaction_id.clone().unwrap();
    let case = scene.test.case("surplus").await;
    let apply = quittance_domain::case::CaseDecision::Apply { invoice_id: invoice };
    scene.decide(&crate::database::staff::close(name.as_str(), case, apply, "r-1")).await;
    let settled = scene.lines(&upload).await[0].settled_as.map(|outcome| outcome.to_string());
    assert_eq!(settled.as_deref(), Some("matched"));
    let allocated = quittance_store::upload_lines::allocated_to(&scene.billing, &[name.as_str()]).await.unwrap();
    assert_eq!(allocated[&name], [invoice]);
    assert_eq!(scene.paid(invoice).await, (("paid").to_owned(), euros("100.00").amount().normalize().to_string()));
}
