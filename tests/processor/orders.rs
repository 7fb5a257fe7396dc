//! The same messages in any order, any number of times, in batches of any size: the final state is the same.

use chrono::TimeDelta;
use quittance_domain::fact::FactKind;
use quittance_domain::id::{ClientId, InvoiceId};
use sha2::{Digest, Sha256};

use super::{Scene, euro};
use crate::database::scene::TestEvidence;

const SHUFFLES: u32 = 60;

/// The evidence about three payments of two invoices, by gateway and bank.
fn history(seed: u32, first: InvoiceId, second: InvoiceId) -> Vec<TestEvidence> {
    let name = |reference: &str| format!("{seed}:{reference}");
    let emitted = |kind: FactKind, reference: &str, movement: &str, value: &str, hours: i64| {
        let reference = name(reference);
        TestEvidence::reported(kind, &reference, movement, euro(value))
            .again(&format!("{kind} {movement} of {reference}"), TimeDelta::hours(hours))
    };
    vec![
        TestEvidence::claim(&name("pi_1"), Some(first), euro("120.00")),
        emitted(FactKind::Authorisation, "pi_1", "pi_1", "120.00", 1),
        emitted(FactKind::Capture, "pi_1", "ch_1", "70.00", 2).naming(&[first]),
        emitted(FactKind::Capture, "pi_1", "ch_2", "50.00", 3).naming(&[first]),
        emitted(FactKind::Refund, "pi_1", "re_1", "30.00", 5),
        emitted(FactKind::Expiry, "pi_2", "pi_2", "90.00", 1),
        emitted(FactKind::Capture, "pi_2", "pi_2", "90.00", 4).naming(&[first]),
        emitted(FactKind::Reversal, "pi_2", "RET-1", "15.00", 6),
        emitted(FactKind::Capture, "pi_3", "pi_3", "80.00", 2),
        TestEvidence::bank_line(&name("pi_3"), Some(second), euro("80.00")),
        emitted(FactKind::Dispute, "pi_3", "dp_1", "80.00", 7),
        emitted(FactKind::DisputeLost, "pi_3", "dp_1", "80.00", 8),
        emitted(FactKind::DisputeWon, "pi_3", "dp_1", "80.00", 9),
    ]
}

/// A number that depends only on the seed and its purpose.
fn drawn(seed: u32, what: &str) -> u32 {
    let digest = Sha256::digest(format!("{seed} {what}"));
    digest.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The history with duplicates, shuffled and cut into batches.
fn deliveries(history: &[TestEvidence], seed: u32) -> Vec<Vec<TestEvidence>> {
    let mut reported: Vec<(u32, TestEvidence)> = Vec::new();
    for (index, one) in history.iter().enumerate() {
        for copy in 0..=drawn(seed, &format!("copies of {index}")) % 3 {
            reported.push((drawn(seed, &format!("place of {index} {copy}")), one.clone()));
        }
    }
    reported.sort_by_key(|(index, _)| *index);
    let mut reported: Vec<TestEvidence> = reported.into_iter().map(|(_, one)| one).collect();
    let mut batches = Vec::new();
    while !reported.is_empty() {
        let size = 1 + drawn(seed, &format!("batch {}", batches.len())) % 10;
        let rest = reported.split_off(reported.len().min(usize::try_from(size).unwrap()));
        batches.push(std::mem::replace(&mut reported, rest));
    }
    batches
}

/// The final state of one client's data, except which of two payments pays an invoice: the one that arrived first does.
async fn end(scene: &Scene, seed: u32, client: ClientId, invoices: [InvoiceId; 2]) -> Vec<(String, String)> {
    let standing = "
        select split_part(payments.transaction_id, ':', 2), concat_ws(' ', status,
            trim_scale(payments.amount - returned_amount), client_id = $2, payments.invoice_id, count(*))
        from payments.payments join payments.facts on facts.payment_id = payments.id
        where provider = $1 group by payments.id
        union all select id::text, concat_ws(' ', status, trim_scale(paid_amount))
            from billing.invoices where client_id = $2
        union all select 'surplus', trim_scale(sum(amount))::text from payments.credits where client_id = $2
        union all select 'cases of ' || kind, count(*)::text from payments.cases
            join payments.payments on payments.id = payment_id where provider = $1 and kind <> 'surplus' group by kind
        order by 1";
    let rows = sqlx::query_as(standing).bind(seed.to_string()).bind(client.as_uuid());
    let rows: Vec<(String, String)> = rows.fetch_all(&scene.test.admin).await.unwrap();
    let names = invoices.map(|invoice| invoice.as_uuid().to_string());
    let named = |text: String| text.replace(&names[0], "the first").replace(&names[1], "the second");
    rows.into_iter().map(|(what, stands)| (named(what), named(stands))).collect()
}

#[tokio::test]
async fn sixty_shuffles_of_one_history_end_the_same() {
    let scene = Scene::begin().await;
    let mut first_end = None;
    for seed in 0..SHUFFLES {
        let client = scene.test.client().await;
        let invoices = [
            scene.test.open_invoice(client, "100.00", "EUR").await,
            scene.test.open_invoice(client, "100.00", "EUR").await,
        ];
        for batch in deliveries(&history(seed, invoices[0], invoices[1]), seed) {
            scene.receive(&batch).await;
        }
        let end = end(&scene, seed, client, invoices).await;
        assert_eq!(end.len(), 7, "{end:?}");
        assert_eq!(first_end.get_or_insert_with(|| end.clone()), &end, "seed {seed}");
    }
    scene.assert_books_hold().await;
}
