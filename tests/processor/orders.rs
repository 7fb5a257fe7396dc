//! The same messages in any order, any number of times, in batches of any size: the end is the same.

use chrono::TimeDelta;
use quittance_domain::fact::FactKind;
use quittance_domain::id::{ClientId, InvoiceId};
use sha2::{Digest, Sha256};

use super::{Scene, euro};
use crate::database::scene::Said;

const SHUFFLES: u32 = 60;

/// What three payments of two invoices are said to be, by gateway and bank.
fn history(seed: u32, first: InvoiceId, second: InvoiceId) -> Vec<Said> {
    let name = |reference: &str| format!("{seed}:{reference}");
    let told = |kind: FactKind, reference: &str, movement: &str, value: &str, hours: i64| {
        let reference = name(reference);
        Said::told(kind, &reference, movement, euro(value))
            .again(&format!("{kind} {movement} of {reference}"), TimeDelta::hours(hours))
    };
    vec![
        Said::claim(&name("pi_1"), Some(first), euro("120.00")),
        told(FactKind::Authorisation, "pi_1", "pi_1", "120.00", 1),
        told(FactKind::Capture, "pi_1", "ch_1", "70.00", 2).naming(&[first]),
        told(FactKind::Capture, "pi_1", "ch_2", "50.00", 3).naming(&[first]),
        told(FactKind::Refund, "pi_1", "re_1", "30.00", 5),
        told(FactKind::Expiry, "pi_2", "pi_2", "90.00", 1),
        told(FactKind::Capture, "pi_2", "pi_2", "90.00", 4).naming(&[first]),
        told(FactKind::Reversal, "pi_2", "RET-1", "15.00", 6),
        told(FactKind::Capture, "pi_3", "pi_3", "80.00", 2),
        Said::bank_line(&name("pi_3"), Some(second), euro("80.00")),
        told(FactKind::Dispute, "pi_3", "dp_1", "80.00", 7),
        told(FactKind::DisputeLost, "pi_3", "dp_1", "80.00", 8),
        told(FactKind::DisputeWon, "pi_3", "dp_1", "80.00", 9),
    ]
}

/// A number that depends on nothing but the seed and what it is for.
fn drawn(seed: u32, what: &str) -> u32 {
    let digest = Sha256::digest(format!("{seed} {what}"));
    digest.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The history with duplicates, shuffled and cut into batches.
fn deliveries(history: &[Said], seed: u32) -> Vec<Vec<Said>> {
    let mut said: Vec<(u32, Said)> = Vec::new();
    for (place, one) in history.iter().enumerate() {
        for copy in 0..=drawn(seed, &format!("copies of {place}")) % 3 {
            said.push((drawn(seed, &format!("place of {place} {copy}")), one.clone()));
        }
    }
    said.sort_by_key(|(place, _)| *place);
    let mut said: Vec<Said> = said.into_iter().map(|(_, one)| one).collect();
    let mut batches = Vec::new();
    while !said.is_empty() {
        let size = 1 + drawn(seed, &format!("batch {}", batches.len())) % 10;
        let rest = said.split_off(said.len().min(usize::try_from(size).unwrap()));
        batches.push(std::mem::replace(&mut said, rest));
    }
    batches
}

/// Where everything of one client stands, but for which of two payments pays an invoice: the one that came first does.
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
            scene.hear(&batch).await;
        }
        let end = end(&scene, seed, client, invoices).await;
        assert_eq!(end.len(), 7, "{end:?}");
        assert_eq!(first_end.get_or_insert_with(|| end.clone()), &end, "seed {seed}");
    }
    scene.assert_books_hold().await;
}
