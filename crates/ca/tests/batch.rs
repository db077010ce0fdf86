//! Batches: slices, their repetition, what refuses them, and how the record shows them.

use std::collections::HashSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_core::Stream;
use rustmq_ca::batch::{
    Batch, BatchIssued, BatchRequest, BatchRevokeRequest, BatchRow, RowKey, Selection,
};
use rustmq_ca::{
    CertificateManager, CertificateStatus, CrlRefresh, Error, Execution, ListFilter, RenewalKey,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::PublicKey;
use rustmq_pki::name::Principal;
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_testkit::{TestCa, issue_request, new_key};

/// Rows of a slice here.
const SIZE: usize = 16;

fn request(job: &str) -> BatchRequest {
    BatchRequest {
        ca: "prod_ca_1".to_owned(),
        role: Some(Role::Client),
        profile: None,
        job: job.to_owned(),
        execution: Execution::Commit,
    }
}

fn row(number: u64, principal: &str, key: &PublicKey) -> BatchRow {
    BatchRow {
        row: number,
        principal: Some(Principal::parse(principal).expect("a principal")),
        role: None,
        profile: None,
        sans: Vec::new(),
        validity: Validity::Default,
        subject: RowKey::PublicKey(key.clone()),
    }
}

fn rows(first: u64) -> Vec<BatchRow> {
    let numbers = first..first + SIZE as u64;
    numbers.map(|number| row(number, &format!("client-{number}"), &new_key())).collect()
}

async fn batch(manager: &CertificateManager, job: &str) -> Batch {
    manager.batch(request(job)).await.expect("a batch")
}

fn code<T>(result: Result<T, Error>) -> &'static str {
    result.map(drop).expect_err("a refusal").code()
}

#[tokio::test]
async fn slices_are_issued_in_order_and_found_again() {
    let ca = TestCa::with_hierarchy().await;
    let batch = batch(&ca.manager, "job").await;
    let mut issued = Vec::new();
    for index in 0..3 {
        issued.extend(batch.issue_slice(index, rows(index * 16)).await.unwrap());
    }
    let numbers: Vec<_> = issued.iter().map(|issued| issued.number).collect();
    assert_eq!(numbers, (3..3 + 48).collect::<Vec<_>>());
    for (at, issued) in issued.iter().enumerate() {
        assert_eq!((issued.row, issued.replayed), (at as u64, false));
        let info = ca.manager.info(&issued.certificate.serial().to_string()).await.unwrap();
        assert_eq!(info.id, format!("cert-{}", issued.number));
        assert_eq!(info.principal, format!("client-{at}"));
        assert_eq!(info.status, CertificateStatus::Active);
        let filter = ListFilter { principal: Some(info.principal), ..ListFilter::default() };
        assert_eq!(ca.manager.list(filter).await.unwrap().len(), 1);
    }
    let prefixes: HashSet<_> =
        issued.iter().map(|issued| issued.certificate.serial().prefix().unwrap()).collect();
    assert_eq!(prefixes.len(), 3, "one a slice");
    assert_eq!(batch.chain().len(), 2);
    assert_eq!(ca.manager.find_ca("prod_ca_1").await.unwrap().counts[0].active, 48);
    assert_eq!(ca.manager.audit_verify().await.unwrap().fault, None);
    batch.finish().await.unwrap();
}

#[tokio::test]
async fn a_slice_that_is_asked_for_again_gives_the_same_certificates() {
    let ca = TestCa::with_hierarchy().await;
    let slice = rows(100);
    let first = batch(&ca.manager, "job").await.issue_slice(7, slice.clone()).await.unwrap();
    let manager = CertificateManager::open(&ca.options()).unwrap();
    let again = batch(&manager, "job").await;
    let replayed = again.issue_slice(7, slice.clone()).await.unwrap();
    let stored = again.issued_slice(7).await.unwrap().unwrap();
    let told = |issued: &[BatchIssued]| {
        let each = issued.iter().map(|i| (i.row, i.number, i.certificate.clone()));
        each.collect::<Vec<_>>()
    };
    assert_eq!(told(&first), told(&replayed));
    assert_eq!(told(&first), told(&stored));
    assert!(replayed.iter().chain(&stored).all(|issued| issued.replayed));
    assert!(again.issued_slice(8).await.unwrap().is_none());
    assert_eq!(code(again.issue_slice(7, rows(100)).await), "idempotency_mismatch");
    assert_eq!(code(again.issue_slice(7, slice[..15].to_vec()).await), "idempotency_mismatch");
    let other = batch(&manager, "other").await.issue_slice(7, slice).await.unwrap();
    assert_ne!(other[0].number, first[0].number, "another job is another scope");
}

#[tokio::test]
async fn a_refused_row_refuses_its_slice_and_is_named() {
    let ca = TestCa::with_hierarchy().await;
    let held = new_key();
    ca.manager
        .issue_certificate(issue_request("prod_ca_1", "holder", Role::Client, &held))
        .await
        .unwrap();
    let batch = batch(&ca.manager, "job").await;
    let mut broken = rows(0);
    broken[5].validity = Validity::Days(0);
    assert_eq!(code(batch.check(&broken[5])), "validity_not_positive");
    batch.check(&broken[4]).unwrap();
    let mut nameless = rows(0);
    nameless[2].principal = None;
    let mut stolen = rows(0);
    stolen[9].subject = RowKey::PublicKey(held);
    let mut twice = rows(0);
    twice[11].subject = twice[3].subject.clone();
    for (slice, at, expected) in [
        (broken, 5, "validity_not_positive"),
        (nameless, 2, "no_principal"),
        (stolen, 9, "key_held_by_another"),
        (twice, 11, "key_held_by_another"),
    ] {
        let error = batch.issue_slice(0, slice).await.unwrap_err();
        assert_eq!(error.code(), expected);
        assert!(matches!(error, Error::BatchRow { row, .. } if row == at), "{error}");
    }
    assert_eq!(code(batch.issue_slice(0, Vec::new()).await), "slice_size");
    assert_eq!(ca.manager.list(ListFilter::default()).await.unwrap().len(), 3);
    assert!(ca.manager.abandoned().await.unwrap().is_empty());
    let records = ca.manager.audit_list(100).await.unwrap();
    assert_eq!(records.iter().filter(|record| record.outcome == "refused").count(), 5);
    assert_eq!(batch.issue_slice(0, rows(0)).await.unwrap().len(), SIZE);
}

#[tokio::test]
async fn every_refused_key_is_told_at_once() {
    let ca = TestCa::with_hierarchy().await;
    let batch = batch(&ca.manager, "job").await;
    let held = rows(0);
    batch.issue_slice(0, held.clone()).await.unwrap();
    // Each other row has the key of another principal.
    let mut asked = rows(100);
    for (asked, held) in asked.iter_mut().zip(&held).step_by(2) {
        asked.subject = held.subject.clone();
    }
    let checked: Vec<_> = asked.iter().map(|row| batch.check(row).unwrap()).collect();
    let refused = batch.check_keys(checked).await.unwrap();
    let told: Vec<_> = refused.iter().map(|(row, error)| (*row, error.code())).collect();
    let expected = (100..116).step_by(2).map(|row| (row, "key_held_by_another"));
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert!(batch.check_keys([]).await.unwrap().is_empty());
    ca.manager.retire_ca("prod_ca_1", Execution::Commit).await.unwrap();
    assert_eq!(code(batch.check_keys([]).await), "ca_retired");
}

#[tokio::test]
async fn what_is_issued_is_told_with_what_became_of_it() {
    let ca = TestCa::with_hierarchy().await;
    let batch = batch(&ca.manager, "job").await;
    let issued = batch.issue_slice(0, rows(40)).await.unwrap();
    assert!(issued.iter().all(|issued| issued.status == CertificateStatus::Active));
    let revoke = BatchRevokeRequest {
        which: Selection::Certificates(vec![format!("cert-{}", issued[3].number)]),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    ca.manager.revoke_batch(revoke).await.unwrap();
    // Neither asks whether the CA may issue.
    ca.manager.retire_ca("prod_ca_1", Execution::Commit).await.unwrap();
    let stored = batch.issued_slice(0).await.unwrap().unwrap();
    let revoked: Vec<_> = stored
        .iter()
        .filter(|issued| issued.status == CertificateStatus::Superseded)
        .map(|issued| issued.row)
        .collect();
    assert_eq!(revoked, [43]);
    assert_eq!(batch.issued_rows(0).await.unwrap(), Some((40..56).collect()));
    assert_eq!(batch.issued_rows(1).await.unwrap(), None);
    ca.clock.advance_days(91);
    let stored = batch.issued_slice(0).await.unwrap().unwrap();
    assert_eq!(stored[0].status, CertificateStatus::Expired);
}

#[tokio::test]
async fn the_record_shows_a_slice_row_by_row_and_commits_to_each() {
    let ca = TestCa::with_hierarchy().await;
    let issued = batch(&ca.manager, "job").await.issue_slice(0, rows(0)).await.unwrap();
    let records = ca.manager.audit_list(2 * 16).await.unwrap();
    for (step, outcome) in [(0, "reserved"), (1, "done")] {
        for (at, issued) in issued.iter().enumerate() {
            let record = &records[step * SIZE + at];
            assert_eq!(record.outcome, outcome);
            assert_eq!(record.row, Some(at as u64 + 1));
            assert_eq!(record.serial, Some(issued.certificate.serial().to_string()));
            assert_eq!(record.principal, Some(format!("client-{at}")));
        }
    }
    let fingerprint = issued[3].certificate.fingerprint().to_string();
    assert!(records[SIZE + 3].detail.ends_with(&fingerprint));
    assert_eq!(ca.manager.audit_list(5).await.unwrap(), records[27..]);
    let path = ca.data_dir().join("authority.db");
    assert_eq!(ca.manager.audit_verify().await.unwrap().fault, None);

    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "DROP TRIGGER certificate_is; UPDATE certificate SET der = \
             (SELECT der FROM certificate WHERE number = 9) WHERE number = 8;",
        )
        .unwrap();
    let fault = ca.manager.audit_verify().await.unwrap().fault.unwrap();
    assert_eq!(fault.to_string(), {
        let number = records[0].number;
        format!("record {number} commits to other certificates than are stored")
    });
}

#[tokio::test]
async fn a_dry_run_judges_and_writes_nothing() {
    let ca = TestCa::with_hierarchy().await;
    let dry = BatchRequest { execution: Execution::DryRun, ..request("job") };
    let batch = ca.manager.batch(dry).await.unwrap();
    assert!(batch.issue_slice(0, rows(0)).await.unwrap().is_empty());
    let mut broken = rows(0);
    broken[5].validity = Validity::Days(-1);
    assert_eq!(code(batch.issue_slice(0, broken).await), "validity_not_positive");
    let records = ca.manager.audit_list(1000).await.unwrap();
    assert!(records.iter().all(|record| record.action != "certificate.issue"));
    batch.finish().await.unwrap();
}

#[tokio::test]
async fn a_batch_that_was_complete_before_signs_the_crl_that_is_due() {
    let ca = TestCa::with_hierarchy().await;
    let slice = rows(0);
    let first = batch(&ca.manager, "job").await;
    first.issue_slice(0, slice.clone()).await.unwrap();
    assert!(first.finish().await.unwrap().crl.is_none(), "it is new");
    ca.clock.advance_days(4);
    let dry = BatchRequest { execution: Execution::DryRun, ..request("job") };
    let dry = ca.manager.batch(dry).await.unwrap();
    assert!(dry.finish().await.unwrap().crl.is_none());
    let again = batch(&ca.manager, "job").await;
    assert!(again.issue_slice(0, slice).await.unwrap().iter().all(|issued| issued.replayed));
    assert!(again.finish().await.unwrap().crl.is_some(), "half of its seven days are over");
}

#[tokio::test]
async fn a_batch_renews_with_new_and_with_old_keys() {
    let ca = TestCa::with_hierarchy().await;
    let batch_of = batch(&ca.manager, "job").await;
    let mut slice = rows(0);
    slice[0].sans = vec!["dns:a.example.com".parse().unwrap()];
    slice[1].role = Some(Role::Admin);
    let old = batch_of.issue_slice(0, slice).await.unwrap();
    let renewals: Vec<_> = old
        .iter()
        .map(|old| BatchRow {
            row: old.row,
            principal: None,
            role: None,
            profile: None,
            sans: Vec::new(),
            validity: Validity::Default,
            subject: RowKey::Renews {
                certificate: format!("cert-{}", old.number),
                key: match old.row % 2 {
                    0 => RenewalKey::Same,
                    _ => RenewalKey::New(new_key()),
                },
            },
        })
        .collect();
    let unknown = BatchRow {
        subject: RowKey::Renews { certificate: "cert-999".to_owned(), key: RenewalKey::Same },
        ..renewals[0].clone()
    };
    batch_of.check(&renewals[0]).unwrap();
    assert_eq!(code(batch_of.check(&unknown)), "unknown_certificate");
    let new = batch(&ca.manager, "renew").await.issue_slice(0, renewals).await.unwrap();
    for (old, new) in old.iter().zip(&new) {
        let [old, new] = [old, new].map(|issued| format!("cert-{}", issued.number));
        let (old, new) =
            (ca.manager.info(&old).await.unwrap(), ca.manager.info(&new).await.unwrap());
        assert_eq!((new.subject, new.sans, new.role), (old.subject, old.sans, old.role));
        assert_eq!(new.renews, Some(old.id));
        assert_eq!(old.status, CertificateStatus::Active);
    }
}

#[tokio::test]
async fn a_batch_is_revoked_in_one_record_a_slice_and_one_crl() {
    let ca = TestCa::with_hierarchy().await;
    let issued = batch(&ca.manager, "job").await.issue_slice(0, rows(0)).await.unwrap();
    let revoke = |which, reason, execution| {
        let (invalidity_date, manager) = (None, ca.manager.clone());
        async move {
            let asked = BatchRevokeRequest { which, reason, invalidity_date, execution };
            manager.revoke_batch(asked).await
        }
    };
    let ids = |range: std::ops::Range<usize>| {
        let ids = issued[range].iter().map(|issued| format!("cert-{}", issued.number));
        Selection::Certificates(ids.collect())
    };
    use Execution::{Commit, DryRun};
    use RevocationReason::{KeyCompromise, Superseded};
    let judged = revoke(ids(0..4), KeyCompromise, DryRun).await.unwrap();
    assert_eq!((judged.revoked, judged.crls.len()), (4, 0));
    let done = revoke(ids(0..4), KeyCompromise, Commit).await.unwrap();
    assert_eq!((done.revoked, done.already_revoked, done.crls[0].entries), (4, 0, 4));
    let all = Selection::Ca("prod_ca_1".to_owned());
    let done = revoke(all.clone(), Superseded, Commit).await.unwrap();
    assert_eq!((done.revoked, done.already_revoked, done.crls[0].entries), (12, 4, 16));
    let again = revoke(all, Superseded, Commit).await.unwrap();
    assert_eq!((again.revoked, again.already_revoked, again.crls.len()), (0, 16, 0));
    let unknown = Selection::Certificates(vec!["cert-999".to_owned()]);
    assert_eq!(code(revoke(unknown, Superseded, Commit).await), "unknown_certificate");

    let records = ca.manager.audit_list(1000).await.unwrap();
    let revoked = records.iter().filter(|r| r.action == "certificate.revoke" && r.row.is_some());
    let revoked: Vec<_> = revoked.collect();
    assert_eq!(revoked.len(), 16);
    assert_eq!(revoked[1].serial, Some(issued[1].certificate.serial().to_string()));
    assert_eq!((&*revoked[1].detail, &*revoked[5].detail), ("keyCompromise", "superseded"));
    assert_eq!(ca.manager.audit_verify().await.unwrap().fault, None);
    let counts = &ca.manager.find_ca("prod_ca_1").await.unwrap().counts[0];
    assert_eq!((counts.active, counts.revoked), (0, 16));
    let mut again = rows(50);
    again[0] = row(50, "client-0", &issued[0].certificate.public_key().unwrap());
    let refused = batch(&ca.manager, "next").await.issue_slice(0, again).await;
    assert_eq!(code(refused), "key_compromised");
    let crl = ca.manager.generate_crl("prod_ca_1", CrlRefresh::Stored).await.unwrap();
    assert_eq!(crl.entries, 16);
}

/// Rows that are there from the start.
struct Rows(std::vec::IntoIter<BatchRow>);

impl Stream for Rows {
    type Item = BatchRow;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<BatchRow>> {
        Poll::Ready(self.0.next())
    }
}

fn stream(slices: u64) -> Rows {
    Rows((0..slices).flat_map(|slice| rows(slice * 16)).collect::<Vec<_>>().into_iter())
}

#[tokio::test]
async fn a_stream_of_rows_becomes_a_stream_of_certificates() {
    let ca = TestCa::with_hierarchy().await;
    let all: Vec<_> = stream(5).0.take(75).collect();
    for replayed in [false, true] {
        let rows = Rows(all.clone().into_iter());
        let mut issued = ca.manager.issue_batch_in_slices(request("job"), SIZE, rows);
        for row in 0..75 {
            let certificate = issued.next().await.unwrap().unwrap();
            assert_eq!((certificate.row, certificate.replayed), (row, replayed));
        }
        assert!(issued.next().await.is_none());
    }
    assert_eq!(ca.manager.find_ca("prod_ca_1").await.unwrap().counts[0].active, 75);
    let mut broken = all;
    broken[40].validity = Validity::Days(0);
    let rows = Rows(broken.into_iter());
    let mut issued = ca.manager.issue_batch_in_slices(request("broken"), SIZE, rows);
    let mut last = None;
    while let Some(next) = issued.next().await {
        last = Some(next);
    }
    assert!(matches!(last, Some(Err(Error::BatchRow { row: 40, .. }))));
}

#[tokio::test]
async fn a_dropped_stream_takes_no_more_rows_and_leaves_whole_slices() {
    let ca = TestCa::with_hierarchy().await;
    let mut issued = ca.manager.issue_batch_in_slices(request("job"), SIZE, stream(40));
    assert!(issued.next().await.unwrap().is_ok());
    drop(issued);
    // Another write of this process comes behind all that the stream had queued, or beside it.
    let manager = ca.manager.clone();
    drop(ca.issue("next", Role::Client).await);
    let count = || async {
        let all = manager.list(ListFilter { role: None, ..ListFilter::default() }).await.unwrap();
        all.len() - 3
    };
    let (mut before, mut after) = (0, count().await);
    while before != after {
        ca.issue("next", Role::Client).await;
        before = after + 1;
        after = count().await;
    }
    let issued = manager.list(ListFilter::default()).await.unwrap();
    let of_batch = issued.iter().filter(|info| info.principal.starts_with("client-")).count();
    assert!(of_batch.is_multiple_of(SIZE) && of_batch < 40 * SIZE, "{of_batch}");
    let abandoned = manager.abandoned().await.unwrap().len();
    assert!(abandoned.is_multiple_of(SIZE));
    assert_eq!(manager.audit_verify().await.unwrap().fault, None);
}

#[tokio::test]
async fn a_slice_that_was_given_up_is_abandoned_whole_and_may_be_issued_again() {
    let ca = TestCa::with_hierarchy().await;
    let batch = batch(&ca.manager, "job").await;
    let slice = rows(0);
    let (mut index, mut given_up, mut polls) = (0, 0, 1);
    // Polled a little further each time, the future is dropped at each point where it waits, and from
    // the first again once it came to its end: how often it waits is the machine's affair.
    while given_up < 3 || ca.manager.abandoned().await.unwrap().is_empty() {
        index += 1;
        assert!(index < 500, "{given_up} were given up, none between its two transactions");
        let mut issuing = pin!(batch.issue_slice(index, slice.clone()));
        let mut left = polls;
        let done = std::future::poll_fn(|context| {
            left -= 1;
            match issuing.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        match done {
            Some(result) => {
                assert_eq!(result.unwrap().len(), SIZE);
                polls = 1;
            }
            None => {
                given_up += 1;
                polls += 1;
            }
        }
    }
    for index in 1..=index {
        assert_eq!(batch.issue_slice(index, slice.clone()).await.unwrap().len(), SIZE);
    }
    let crl = ca.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
    let abandoned = ca.manager.abandoned().await.unwrap();
    assert_eq!(crl.entries, abandoned.len());
    assert!(!abandoned.is_empty() && abandoned.len().is_multiple_of(SIZE), "{}", abandoned.len());
    let told = ca.manager.info(&abandoned[3].serial).await;
    assert!(
        matches!(told, Err(Error::AbandonedSerial { principal, .. }) if principal == "client-3")
    );
    assert_eq!(ca.manager.audit_verify().await.unwrap().fault, None);
}

#[tokio::test]
async fn nothing_is_issued_by_a_clock_that_was_set_back() {
    let ca = TestCa::with_hierarchy().await;
    let batch = batch(&ca.manager, "job").await;
    let first = rows(0);
    // Within the CA's validity still, when it is set back.
    ca.clock.advance_days(1);
    batch.issue_slice(0, first.clone()).await.unwrap();
    ca.clock.advance_seconds(-3600);
    assert_eq!(code(batch.issue_slice(1, rows(16)).await), "clock_behind");
    assert!(batch.issue_slice(0, first).await.unwrap()[0].replayed, "what is durable is given");
    ca.clock.advance_days(1);
    assert_eq!(batch.issue_slice(1, rows(16)).await.unwrap().len(), SIZE);
    assert!(ca.manager.abandoned().await.unwrap().is_empty());
}
