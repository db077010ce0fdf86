//! What was touched does not come back at all.

use std::io;
use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::prelude::*;
use rustmq_ca::{BackupError, Error};
use rustmq_testkit::TestCa;

use crate::fixture::{backup, names, request, restore};

/// A small archive for all cases, and a place for each.
static ARCHIVE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let ca = TestCa::with_hierarchy().await;
        std::fs::create_dir(ca.data_dir().join("profiles")).expect("a folder");
        let own = ca.manager.profile("client").expect("built in").to_toml();
        std::fs::write(ca.data_dir().join("profiles/sensor.toml"), own).expect("a file");
        backup(&ca.manager).await
    })
});

/// Refused, with nothing left behind.
fn refused(archive: &[u8]) -> Error {
    let temp = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let target: PathBuf = temp.path().join("data");
    let error = runtime.block_on(restore(&target, request(archive))).expect_err("it was altered");
    assert!(names(temp.path()).is_empty(), "{error}: {:?}", names(temp.path()));
    error
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_octet_can_change(at: prop::sample::Index, flip in 1..=255_u8) {
        let mut archive = ARCHIVE.clone();
        let at = at.index(archive.len());
        archive[at] ^= flip;
        let error = refused(&archive);
        prop_assert!(matches!(error, Error::Backup(_)), "octet {at}: {error}");
    }

    /// Manifest and signature are a hundredth of the archive, and where an attacker would begin.
    #[test]
    fn no_octet_of_manifest_and_signature_can_change(at in 0..4608_usize, flip in 1..=255_u8) {
        let mut archive = ARCHIVE.clone();
        archive[at] ^= flip;
        let error = refused(&archive);
        prop_assert!(matches!(error, Error::Backup(_)), "octet {at}: {error}");
    }

    #[test]
    fn nothing_can_be_cut_off_or_added(at: prop::sample::Index, more in prop::collection::vec(any::<u8>(), 1..600)) {
        let at = at.index(ARCHIVE.len());
        let cut = refused(&ARCHIVE[..at]);
        prop_assert!(matches!(cut, Error::Backup(BackupError::Truncated { .. })), "at {at}: {cut}");
        refused(&[&ARCHIVE[..], &more].concat());
        refused(&[&ARCHIVE[..at], &more, &ARCHIVE[at..]].concat());
    }
}

/// The archive with its members changed, written by the same tar as any attacker's.
fn rewritten(
    change: impl Fn(&mut tar::Header, &mut Vec<u8>),
    more: &[(&str, tar::EntryType)],
) -> Vec<u8> {
    let mut archive = tar::Archive::new(&ARCHIVE[..]);
    let mut builder = tar::Builder::new(Vec::new());
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("a member");
        let (mut header, mut bytes) = (entry.header().clone(), Vec::new());
        io::Read::read_to_end(&mut entry, &mut bytes).expect("its bytes");
        change(&mut header, &mut bytes);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, &bytes[..]).expect("a member");
    }
    for (name, kind) in more {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().expect("GNU").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(0);
        header.set_cksum();
        builder.append(&header, io::empty()).expect("a member");
    }
    builder.into_inner().expect("a tar")
}

#[test]
fn members_that_no_backup_has_are_refused_by_name() {
    use tar::EntryType as Kind;
    assert_eq!(rewritten(|_, _| (), &[]), *ARCHIVE, "the same tar");
    for (name, kind, said) in [
        ("../../etc/cron.d/x", Kind::Regular, "leads out of it, \"../../etc/cron.d/x\""),
        ("/etc/passwd", Kind::Regular, "the absolute path \"/etc/passwd\""),
        ("link", Kind::Symlink, "the symbolic link \"link\""),
        ("link", Kind::Link, "the hard link \"link\""),
        ("null", Kind::Char, "the device \"null\""),
        ("sub", Kind::Directory, "the directory \"sub\""),
        ("authority.db", Kind::Regular, "the file \"authority.db\""),
        ("profiles/more.toml", Kind::Regular, "the file \"profiles/more.toml\""),
    ] {
        let error = refused(&rewritten(|_, _| (), &[(name, kind)])).to_string();
        assert!(error.contains(said), "{error}");
    }
    let is = |header: &tar::Header, name: &str| header.path_bytes() == name.as_bytes();
    let linked = rewritten(
        |header, _| {
            if is(header, "authority.db") {
                header.set_entry_type(Kind::Symlink);
            }
        },
        &[],
    );
    let error = refused(&linked).to_string();
    assert!(error.contains("the symbolic link \"authority.db\", where authority.db"), "{error}");
    let larger = rewritten(
        |header, bytes| {
            if is(header, "authority.db") {
                bytes.extend([0; 4096]);
            }
        },
        &[],
    );
    let error = refused(&larger).to_string();
    assert!(error.contains("the header of authority.db is not as it was written"), "{error}");
    let resigned = rewritten(
        |header, bytes| {
            if is(header, "manifest.json") {
                let text = String::from_utf8(bytes.clone()).expect("JSON");
                *bytes = text.replace("\"certificates\": 2", "\"certificates\": 3").into_bytes();
            }
        },
        &[],
    );
    let error = refused(&resigned);
    assert!(matches!(error, Error::Backup(BackupError::Signature { .. })), "{error}");
}
