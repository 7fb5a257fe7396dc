//! Files that are uploaded twice, overlap, or are read in several invocations.

use std::collections::BTreeMap;
use std::time::Duration;

use quittance_domain::upload::{UploadKind, UploadStatus};
use quittance_importer::import::{CHUNK, ImportEnd};

use super::statement::{Entry, batch, batches, camt};
use super::{ImportScene, MINUTES};

fn lines(count: usize) -> Vec<Entry> {
    (0..count).map(|place| Entry::credit(&format!("{}.00", place + 1), "Nord", "")).collect()
}

#[tokio::test]
async fn a_file_that_comes_twice_or_overlaps_another_adds_only_what_is_new() {
    let scene = ImportScene::begin().await;
    let entries = lines(4);
    scene.statement(&camt(&entries[..3])).await;
    let again = scene.statement(&camt(&entries[..3])).await;
    assert_eq!(scene.outcomes(&again).await, ["duplicate"; 3]);
    let reason = scene.lines(&again).await[1].line.decision.reason.clone().unwrap();
    assert!(reason.starts_with("reported before, by line 2 of upl_"), "{reason}");
    let overlapping = scene.statement(&camt(&entries[1..])).await;
    assert_eq!(scene.outcomes(&overlapping).await, ["duplicate", "duplicate", "unmatched"]);
    assert_eq!(scene.test.count("select count(*) from payments.payments").await, 4);
    scene.test.assert_books_hold().await;
}

#[tokio::test]
async fn two_real_equal_payments_on_one_day_stay_two() {
    let scene = ImportScene::begin().await;
    let twice = [Entry::credit("49.00", "Nord", "rent"), Entry::credit("49.00", "Nord", "rent")];
    for references in [[None, None], [Some("B-1"), Some("B-2")], [Some("B-3"), Some("B-3")]] {
        let entries = twice.clone().into_iter().zip(references).map(|(entry, reference)| match reference {
            Some(reference) => entry.known_as(reference),
            None => entry,
        });
        let file = camt(&entries.collect::<Vec<_>>());
        let first = scene.statement(&file).await;
        assert_eq!(scene.outcomes(&first).await, ["unmatched", "unmatched"], "{references:?}");
        let again = scene.statement(&file).await;
        assert_eq!(scene.outcomes(&again).await, ["duplicate", "duplicate"], "{references:?}");
    }
    let earlier = scene.statement(&camt(&[Entry::credit("7.00", "Nord", "rent")])).await;
    assert_eq!(scene.outcomes(&earlier).await, ["unmatched"]);
    let both =
        scene.statement(&camt(&[Entry::credit("7.00", "Nord", "rent"), Entry::credit("7.00", "Nord", "rent")])).await;
    assert_eq!(scene.outcomes(&both).await, ["duplicate", "unmatched"], "the second of them is new");
}

#[tokio::test]
async fn a_file_goes_on_where_an_invocation_was_stopped_and_hands_each_line_on_with_one_name() {
    let scene = ImportScene::begin().await;
    let mut entries = lines(2 * CHUNK + 7);
    // The last line equals the first, which another invocation queues.
    entries[2 * CHUNK + 6] = entries[0].clone();
    let file = camt(&entries);
    let upload = scene.announce(UploadKind::BankStatement, None, None).await;
    // No time is left once the file is checked.
    assert_eq!(scene.step(&upload, file.as_bytes(), Duration::ZERO).await.unwrap(), ImportEnd::Paused);
    let paused = scene.outcome(&upload).await;
    assert_eq!((paused.status, paused.progress.unwrap().lines_total), (UploadStatus::Importing, 2 * CHUNK as u64 + 7));
    // The queue fails in the second chunk: its decisions are kept.
    scene.services.take_only(CHUNK + 30);
    scene.step(&upload, file.as_bytes(), MINUTES).await.unwrap_err();
    assert_eq!(scene.outcome(&upload).await.progress.unwrap().lines_done, CHUNK as u64);
    scene.services.take_only(usize::MAX);
    assert_eq!(scene.step(&upload, file.as_bytes(), MINUTES).await.unwrap(), ImportEnd::Finished);
    assert_eq!(scene.outcome(&upload).await.status, UploadStatus::Accepted);
    let sent = scene.services.take_sent();
    let twice = sent.len() - (2 * CHUNK + 7);
    assert!(
        (30..CHUNK).contains(&twice),
        "{twice} lines were handed on twice: those that the queue took before it failed"
    );
    let mut names = BTreeMap::new();
    for (_, evidence) in sent {
        let name = evidence["event_id"].as_str().unwrap().to_owned();
        let before = names.insert(name, evidence.clone());
        assert!(before.is_none_or(|before| before == evidence), "one name stands for two contents");
    }
    assert_eq!(names.len(), 2 * CHUNK + 7);
}

#[tokio::test]
async fn a_batch_that_one_file_has_whole_and_another_in_details_counts_once() {
    for is_whole_first in [true, false] {
        let scene = ImportScene::begin().await;
        let whole = camt(&[Entry::credit("100.00", "Sammler", "").known_as("BATCH-1")]);
        let details = batch("BATCH-1", &["60.00", "40.00"]);
        let (first, second) = if is_whole_first { (&whole, &details) } else { (&details, &whole) };
        assert!(scene.outcomes(&scene.statement(first).await).await.iter().all(|outcome| outcome == "unmatched"));
        let second = scene.statement(second).await;
        assert!(scene.outcomes(&second).await.iter().all(|outcome| outcome == "duplicate"), "{is_whole_first}");
        let reason = scene.lines(&second).await[0].line.decision.reason.clone().unwrap();
        assert!(reason.starts_with("the entry was reported before"), "{reason}");
        scene.test.assert_books_hold().await;
    }
}

#[tokio::test]
async fn a_detail_of_the_entrys_own_amount_is_not_taken_for_the_entry() {
    let scene = ImportScene::begin().await;
    let mixed = batch("BATCH-1", &["100.00", "50.00", "-50.00"]);
    let first = scene.statement(&mixed).await;
    assert_eq!(scene.outcomes(&first).await, ["unmatched", "unmatched", "ignored"]);
    let whole = scene.statement(&camt(&[Entry::credit("100.00", "Sammler", "").known_as("BATCH-1")])).await;
    assert_eq!(scene.outcomes(&whole).await, ["duplicate"], "it was told in its details");
}

#[tokio::test]
async fn two_equal_batches_count_once_each_whichever_file_has_them_whole() {
    for is_whole_first in [true, false] {
        let scene = ImportScene::begin().await;
        let entry = Entry::credit("100.00", "Sammler", "").known_as("BATCH-1");
        let (whole, details) = (camt(&[entry.clone(), entry]), batches("BATCH-1", &["60.00", "40.00"], 2));
        let (first, second) = if is_whole_first { (&whole, &details) } else { (&details, &whole) };
        assert!(scene.outcomes(&scene.statement(first).await).await.iter().all(|outcome| outcome == "unmatched"));
        let second = scene.outcomes(&scene.statement(second).await).await;
        assert!(second.iter().all(|outcome| outcome == "duplicate"), "{is_whole_first}: {second:?}");
    }
}

#[tokio::test]
async fn one_reference_for_two_payers_is_not_taken_for_one_payment() {
    let scene = ImportScene::begin().await;
    let line = |id: &str| Entry::credit("119.00", "Nord", "").known_as("X").end_to_end(id);
    scene.statement(&camt(&[line("E2E-1")])).await;
    let other = scene.statement(&camt(&[line("E2E-2")])).await;
    assert_eq!(scene.outcomes(&other).await, ["rejected"], "somebody has to look");
}
