//! The metrics of commits.

use std::collections::BTreeMap;

use quittance_domain::case::CaseKind;
use quittance_domain::fact::FactKind;
use quittance_domain::settlement::SettlementOutcome;
use quittance_processor::emitted_events::SettlementMetrics;
use quittance_processor::settle::settle;
use rust_decimal::Decimal;

use super::{Scene, euro};
use crate::database::scene::{TestEvidence, at, noon};

impl Scene {
    async fn figures_of(&self, reported: &TestEvidence) -> SettlementMetrics {
        settle(&self.processor, &[reported.instruction()], at(noon())).await.unwrap().emitted.figures
    }
}

fn euros(amount: i64) -> BTreeMap<&'static str, Decimal> {
    BTreeMap::from([("EUR", amount.into())])
}

#[tokio::test]
async fn a_payment_counts_when_it_is_proven_and_never_again() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let capture = TestEvidence::capture("pi_1", Some(invoice), euro("100.00"));
    assert_eq!(
        scene.figures_of(&TestEvidence::claim("pi_1", Some(invoice), euro("100.00"))).await,
        SettlementMetrics::default()
    );
    let settled = SettlementMetrics { settled: 1, amounts: euros(100), ..SettlementMetrics::default() };
    assert_eq!(scene.figures_of(&capture).await, settled);
    assert_eq!(scene.figures_of(&capture).await, SettlementMetrics::default());
}

#[tokio::test]
async fn unapplied_cash_and_its_case_count_once_and_a_case_that_only_changes_does_not() {
    let scene = Scene::begin().await;
    let invoice = scene.invoice("100.00").await;
    let surplus = |settled: u32, amount: i64, cases: &[(CaseKind, u32)]| SettlementMetrics {
        settled,
        amounts: euros(amount),
        unapplied_count: 1,
        unapplied_amounts: euros(20),
        cases: cases.iter().copied().collect(),
    };
    let part = |movement: &str, value: &str| {
        TestEvidence::reported(FactKind::Capture, "pi_1", movement, euro(value)).naming(&[invoice])
    };
    assert_eq!(scene.figures_of(&part("ch_1", "120.00")).await, surplus(1, 120, &[(CaseKind::UnappliedCash, 1)]));
    assert_eq!(scene.figures_of(&part("ch_2", "20.00")).await, surplus(0, 20, &[]));
    assert_eq!(scene.test.open_cases().await.len(), 1);
}

#[tokio::test]
async fn a_decision_is_logged_with_its_outcome_and_repetitions_are_not() {
    let scene = Scene::begin().await;
    let capture = TestEvidence::capture("pi_1", Some(scene.invoice("100.00").await), euro("60.00"));
    let decided = async || {
        let emitted = settle(&scene.processor, &[capture.instruction()], at(noon())).await.unwrap().emitted;
        emitted.decided.into_iter().map(|decided| (decided.action, decided.outcome)).collect::<Vec<_>>()
    };
    assert_eq!(decided().await, [("payment.evidence_recorded", SettlementOutcome::PartiallySettled)]);
    assert_eq!(decided().await, []);
}
