//! A CA that is revoked vouches for nothing: neither for a backup nor for the end of the audit record.

use rustmq_ca::{
    AuditCheckpoint, BackupError, BackupRequest, CertificateManager, CheckpointError, CrlRefresh,
    Error, Execution, GivenCrl, IntermediateCaRequest, NewCa, Origin, RestoreRequest, Restored,
    RevokeRequest,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::time::UnixTime;
use rustmq_testkit::{FakeClock, FixedPassphrase, PASSPHRASE, START, TestCa, named, options};

use crate::fixture::{Collected, backup, names, request, restore};

const STAGING: &str = "staging_ca_1";

async fn with_staging() -> TestCa {
    let ca = TestCa::with_hierarchy().await;
    ca.create_intermediate("root_ca_1", "Staging CA").await;
    ca
}

async fn backup_by(ca: &TestCa, signer: &str) -> Result<Vec<u8>, Error> {
    let output = Collected::default();
    let request = BackupRequest { ca: Some(signer.to_owned()) };
    ca.manager.backup(request, Box::new(output.clone())).await?;
    Ok(output.0.lock().expect("no panic").clone())
}

async fn checkpoint_by(ca: &TestCa, signer: &str) -> Result<AuditCheckpoint, Error> {
    ca.manager.audit_checkpoint(Some(signer.to_owned())).await
}

async fn revoke(ca: &TestCa, reason: RevocationReason, invalidity_date: Option<UnixTime>) {
    let certificate = STAGING.to_owned();
    let execution = Execution::Commit;
    let request = RevokeRequest { certificate, reason, invalidity_date, execution };
    ca.manager.revoke_ca(request).await.expect("revoked");
}

async fn root_list(ca: &TestCa) -> GivenCrl {
    let list = ca.manager.generate_crl("root_ca_1", CrlRefresh::Stored).await.expect("a CRL");
    GivenCrl { name: "root.crl".to_owned(), der: list.crl.der().to_vec() }
}

/// Restores under the authority's own root, and its newest list.
async fn restored(ca: &TestCa, archive: &[u8], into: &str) -> Result<Restored, Error> {
    let chain = ca.manager.ca_chain("root_ca_1").await.expect("a chain");
    let expected_roots = vec![Fingerprint::of(chain[0].der())];
    let crls = vec![root_list(ca).await];
    let request = RestoreRequest { expected_roots, crls, ..request(archive) };
    restore(&ca.scratch().join(into), request).await
}

fn is_compromised(result: &Result<Restored, Error>) -> bool {
    matches!(result, Err(Error::Backup(BackupError::CompromisedSigner { .. })))
}

#[tokio::test]
async fn a_signer_whose_key_is_in_other_hands_proves_no_origin() {
    let ca = with_staging().await;
    let archive = backup_by(&ca, STAGING).await.expect("a backup");
    let good = backup_by(&ca, "prod_ca_1").await.expect("a backup");
    assert_eq!(restored(&ca, &archive, "before").await.expect("good").origin, Origin::Expected);
    revoke(&ca, RevocationReason::KeyCompromise, None).await;
    assert!(is_compromised(&restored(&ca, &archive, "no").await));
    assert!(!names(ca.scratch()).iter().any(|name| name.contains("no")), "nothing is left");
    // Nobody asked for an origin: integrity is proven, and what is known of the signer is said.
    let crls = vec![root_list(&ca).await];
    let target = ca.scratch().join("yes");
    let whole = restore(&target, RestoreRequest { crls, ..request(&archive) }).await;
    let whole = whole.expect("a whole archive");
    let revoked = whole.signer_revoked.expect("it is revoked");
    assert_eq!((&*revoked.ca_id, revoked.is_compromised()), (STAGING, true));
    assert_eq!(whole.origin, Origin::Unproven);
    // Another CA's signature is none of its business.
    let good = restored(&ca, &good, "good").await.expect("a good signer");
    assert_eq!((good.origin, good.signer_revoked), (Origin::Expected, None));
}

#[tokio::test]
async fn a_revocation_for_another_reason_is_said_and_the_origin_not_called_proven() {
    for reason in [RevocationReason::CessationOfOperation, RevocationReason::CertificateHold] {
        let ca = with_staging().await;
        let archive = backup_by(&ca, STAGING).await.expect("a backup");
        revoke(&ca, reason, None).await;
        let restored = restored(&ca, &archive, "restored").await.expect("a whole archive");
        assert_eq!(restored.origin, Origin::Revoked);
        assert_eq!(restored.signer_revoked.expect("it is revoked").reason, reason);
    }
}

#[tokio::test]
async fn a_ca_above_the_signer_counts_as_the_signer_does() {
    let ca = TestCa::empty();
    ca.create_root("RustMQ Root CA").await;
    let staging = NewCa { path_len: Some(1), ..NewCa::new(named("Staging CA")) };
    let staging = IntermediateCaRequest { parent: "root_ca_1".to_owned(), ca: staging };
    ca.manager.generate_intermediate_ca(staging).await.expect("a CA");
    let team = ca.create_intermediate(STAGING, "Team CA").await.id;
    let archive = backup_by(&ca, &team).await.expect("a backup");
    revoke(&ca, RevocationReason::CaCompromise, None).await;
    let error = backup_by(&ca, &team).await.expect_err("one above is revoked");
    assert!(matches!(error, Error::SignerRevoked { revoked, .. } if revoked.ca_id == STAGING));
    assert!(is_compromised(&restored(&ca, &archive, "restored").await));
}

/// Who has the keys and a clock of their own can give the archive a list that is later than any.
#[tokio::test]
async fn a_forged_list_in_the_archive_does_not_hide_the_revocation() {
    let ca = with_staging().await;
    let copy = ca.scratch().join("copy");
    restore(&copy, request(&backup(&ca.manager).await)).await.expect("a whole archive");
    let ahead = FakeClock::at(START.plus_days(30));
    let copy = CertificateManager::open(&options(&copy, &ahead, FixedPassphrase::new(PASSPHRASE)));
    let copy = copy.expect("a whole store");
    let late = copy.generate_crl("root_ca_1", CrlRefresh::Always).await.expect("a CRL");
    let store = rusqlite::Connection::open(ca.data_dir().join("authority.db")).expect("a store");
    let genuine: Vec<u8> = store
        .query_row("SELECT der FROM crl WHERE authority = 1", [], |row| row.get(0))
        .expect("a list");
    let put = |der: &[u8]| {
        let sql = "UPDATE crl SET der = ?1 WHERE authority = 1";
        assert_eq!(store.execute(sql, [der]).expect("another list"), 1);
    };
    put(late.crl.der());
    let archive = backup_by(&ca, STAGING).await.expect("a backup");
    put(&genuine);
    revoke(&ca, RevocationReason::KeyCompromise, None).await;
    assert!(is_compromised(&restored(&ca, &archive, "restored").await));
}

#[tokio::test]
async fn a_revoked_ca_signs_neither_backups_nor_checkpoints() {
    for reason in [RevocationReason::KeyCompromise, RevocationReason::CertificateHold] {
        let ca = with_staging().await;
        revoke(&ca, reason, None).await;
        let refused = [
            backup_by(&ca, STAGING).await.map(drop).expect_err("it is revoked"),
            checkpoint_by(&ca, STAGING).await.map(drop).expect_err("it is revoked"),
        ];
        for error in refused {
            let Error::SignerRevoked { others, .. } = &error else { panic!("{error}") };
            assert_eq!(others, &["prod_ca_1", "root_ca_1"]);
        }
        // By itself it takes one that may.
        let output = Box::new(Collected::default());
        let made = ca.manager.backup(BackupRequest::default(), output).await.expect("a backup");
        assert_eq!(made.signed_by, "prod_ca_1");
    }
}

#[tokio::test]
async fn a_checkpoint_that_a_compromised_key_may_have_signed_is_no_proof() {
    let ca = with_staging().await;
    let before = checkpoint_by(&ca, STAGING).await.expect("a checkpoint");
    ca.clock.advance_seconds(20);
    let after = checkpoint_by(&ca, STAGING).await.expect("a checkpoint");
    ca.clock.advance_seconds(20);
    revoke(&ca, RevocationReason::KeyCompromise, Some(START.plus_seconds(10))).await;
    let verify =
        async |anchor: &AuditCheckpoint| ca.manager.audit_verify_anchored(anchor.clone()).await;
    let verdict = verify(&before).await.expect("made before");
    assert_eq!((verdict.anchored, verdict.verdict.fault), (before.records(), None));
    assert!(verdict.signer_revoked.expect("it is revoked").is_compromised());
    let error = verify(&after).await.expect_err("made when the key was in other hands");
    let compromised = CheckpointError::CompromisedSigner {
        ca_id: STAGING.to_owned(),
        at: START.plus_seconds(20),
        revoked: verify(&before).await.expect("as before").signer_revoked.expect("revoked"),
    };
    assert!(matches!(&error, Error::Checkpoint(found) if *found == compromised), "{error}");
}

#[tokio::test]
async fn a_checkpoint_of_a_ca_that_was_closed_down_since_counts() {
    let ca = with_staging().await;
    let anchor = checkpoint_by(&ca, STAGING).await.expect("a checkpoint");
    ca.clock.advance_seconds(20);
    revoke(&ca, RevocationReason::CessationOfOperation, None).await;
    let verdict = ca.manager.audit_verify_anchored(anchor).await.expect("it counts");
    assert_eq!(verdict.verdict.fault, None);
    let revoked = verdict.signer_revoked.expect("it is revoked");
    assert_eq!(revoked.reason, RevocationReason::CessationOfOperation);
}
