//! What does not grow with the number of stored certificates, counted instead of timed: the pages
//! that an operation reads, its process's start-up and end included.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::child::{self, Child, Operation};
use super::fixture;

/// Certificates in the larger store: its trees are as deep as those of ten times as many.
const MANY: i64 = 20_000;

/// A tree that is one level deeper costs one page more a look-up, in each of the trees looked at.
const DEEPER: usize = 24;

/// Adds copies of cert-3 with serial numbers, keys and principals of their own, as rows alone.
fn fill(data_dir: &Path) {
    let mut connection = Connection::open(data_dir.join("authority.db")).expect("the store");
    let transaction = connection.transaction().expect("a transaction");
    transaction
        .execute_batch(&format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MANY})
             INSERT INTO certificate (serial, authority, role, principal, profile, not_before,
                                      not_after, issued_at, der)
             SELECT randomblob(16), authority, role, hex(randomblob(8)), profile, not_before,
                    not_after + n, issued_at, der FROM certificate, n WHERE number = 3;
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MANY})
             INSERT INTO audit (number, at, latest, actor, action, outcome, ca, serial, principal,
                                detail, previous, hash)
             SELECT n + (SELECT max(number) FROM audit), at, latest, actor, action, outcome, ca,
                    serial, principal, detail, previous, hash FROM audit, n
             WHERE number = (SELECT max(number) FROM audit);"
        ))
        .expect("rows");
    transaction.commit().expect("a commit");
}

/// How many pages one operation reads in a process of its own.
fn reads(data_dir: &Path, directory: &Path, operation: Operation) -> usize {
    let copy = directory.join("data");
    fixture::copy_directory(data_dir, &copy);
    let trace = directory.join("trace");
    let trace_path = trace.to_str().expect("UTF-8");
    let under = ["strace", "-f", "-o", trace_path, "-e", "trace=pread64"];
    let output = Child {
        operation,
        data_dir: &copy,
        markers: directory,
        without_fsync: false,
        die_at_signature: false,
        under: &under,
    }
    .run();
    assert!(child::acknowledged(&output).is_some(), "{output:?}");
    let trace = fs::read_to_string(&trace).expect("a trace");
    fs::remove_dir_all(directory).expect("removed");
    trace.lines().filter(|line| line.contains("pread64(") && line.ends_with("= 8192")).count()
}

#[test]
fn issue_revoke_crl_and_look_up_read_no_more_of_a_larger_store() {
    let temp = tempfile::tempdir().expect("a directory");
    let small = fixture::template(temp.path());
    let large = temp.path().join("large");
    fixture::copy_directory(&small, &large);
    fill(&large);
    let size = |path: &Path| path.join("authority.db").metadata().expect("a file").len();
    assert!(size(&large) > 50 * size(&small));
    let directory = temp.path().join("run");
    for operation in [Operation::Issue, Operation::Revoke, Operation::Crl, Operation::LookUp] {
        let before = reads(&small, &directory, operation);
        let after = reads(&large, &directory, operation);
        assert!(before > 0);
        assert!(after <= before + DEEPER, "{operation:?}: {before} pages, then {after}");
    }
}
