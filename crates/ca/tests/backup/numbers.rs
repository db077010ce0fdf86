//! The numbers of CRLs go forward, whatever a store gave out after the backup from which it came back.

use std::path::Path;
use std::sync::Arc;

use rustmq_ca::{CertificateManager, CrlRefresh, GivenCrl, RestoreRequest};
use rustmq_pki::time::{DAY, UnixTime};
use rustmq_testkit::{
    FakeClock, FixedPassphrase, NoPassphrase, PASSPHRASE, START, TestCa, options,
};

use crate::fixture::{backup, request};

const CAS: [&str; 2] = ["root_ca_1", "prod_ca_1"];

/// More lists in one moment than seconds pass until the restore.
const LISTS: usize = 50;

/// Signs lists of both CAs and tells the last number of each. Each is above the one before it.
async fn sign(manager: &CertificateManager, lists: usize) -> [u64; 2] {
    let mut last = [0; 2];
    for _ in 0..lists {
        for (last, ca) in last.iter_mut().zip(CAS) {
            let list = manager.generate_crl(ca, CrlRefresh::Always).await.expect("a CRL");
            assert!(list.crl.number() > *last);
            *last = list.crl.number();
        }
    }
    last
}

async fn restored(data_dir: &Path, archive: &[u8], at: UnixTime) -> CertificateManager {
    let clock = FakeClock::at(at);
    let restoring = options(data_dir, &clock, Arc::new(NoPassphrase));
    CertificateManager::restore(&restoring, request(archive)).await.expect("a whole archive");
    CertificateManager::open(&options(data_dir, &clock, FixedPassphrase::new(PASSPHRASE)))
        .expect("a whole store")
}

fn all_above(numbers: [u64; 2], earlier: [u64; 2]) -> bool {
    numbers.iter().zip(earlier).all(|(number, earlier)| *number > earlier)
}

#[tokio::test]
async fn numbers_given_out_after_the_backup_are_not_given_out_again() {
    let ca = TestCa::with_hierarchy().await;
    let archive = backup(&ca.manager).await;
    let lost = sign(&ca.manager, LISTS).await;
    // The machine that restores may be behind the lost one, and one more restore may follow.
    for behind in [0, 200] {
        let target = ca.scratch().join(format!("behind-{behind}"));
        let first = restored(&target, &archive, START.plus_seconds(-behind)).await;
        let once = sign(&first, LISTS).await;
        assert!(all_above(once, lost), "{once:?}, and {lost:?} were given out");
        let archive = backup(&first).await;
        let lost_again = sign(&first, LISTS).await;
        let target = ca.scratch().join(format!("again-{behind}"));
        let twice = sign(&restored(&target, &archive, START.plus_seconds(1)).await, 1).await;
        assert!(all_above(twice, lost_again), "{twice:?}, and {lost_again:?} were given out");
    }
    // The first backup once more: the restored stores of before are lost as well.
    let first = restored(&ca.scratch().join("one"), &archive, START.plus_seconds(2)).await;
    let once = sign(&first, LISTS).await;
    let second = restored(&ca.scratch().join("two"), &archive, START.plus_seconds(3)).await;
    let twice = sign(&second, 1).await;
    assert!(all_above(twice, once), "{twice:?}, and {once:?} were given out");
}

/// The margin is not what keeps the numbers of a later list: that is merged first.
#[tokio::test]
async fn a_list_from_a_clock_that_was_far_ahead_is_passed_all_the_same() {
    let ca = TestCa::with_hierarchy().await;
    let archive = backup(&ca.manager).await;
    let ahead = START.plus_seconds(30 * DAY);
    let later = restored(&ca.scratch().join("ahead"), &archive, ahead).await;
    let list = later.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
    let crls = vec![GivenCrl { name: "prod.crl".to_owned(), der: list.crl.der().to_vec() }];
    let target = ca.scratch().join("back");
    let restored = crate::fixture::restore(&target, RestoreRequest { crls, ..request(&archive) });
    restored.await.expect("a whole archive");
    let next = sign(&crate::fixture::open(&target), 1).await;
    assert!(next[1] > list.crl.number(), "{next:?}");
}
