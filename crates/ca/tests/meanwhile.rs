//! What another process does to a CA while a command waits for its passphrase, or for its signature.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use rustmq_ca::batch::{BatchRequest, BatchRevokeRequest, BatchRow, RowKey, Selection};
use rustmq_ca::faults::{Faults, SignerWatch};
use rustmq_ca::{
    BackupRequest, CaInfo, CaStatus, CertificateManager, Error, Execution, PassphraseError,
    PassphraseSource, RenewCaRequest, Revocation, RevokeRequest,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::{PublicKey, SignError, Signer};
use rustmq_pki::name::Principal;
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_testkit::{PASSPHRASE, TestCa, issue_request, new_key, options};
use secrecy::SecretString;

type Deed = Box<dyn FnOnce() + Send>;

/// What another process does once, at a moment of this one's.
#[derive(Clone, Default)]
struct Meanwhile(Arc<Mutex<Option<Deed>>>);

impl Meanwhile {
    fn once(deed: Deed) -> Self {
        Self(Arc::new(Mutex::new(Some(deed))))
    }

    fn happen(&self) {
        let deed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(deed) = deed {
            deed();
        }
    }

    fn has_happened(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl PassphraseSource for Meanwhile {
    fn existing(&self) -> Result<SecretString, PassphraseError> {
        self.happen();
        Ok(SecretString::from(PASSPHRASE))
    }

    fn new_passphrase(&self) -> Result<SecretString, PassphraseError> {
        self.existing()
    }
}

impl SignerWatch for Meanwhile {
    fn watch(&self, signer: Arc<dyn Signer>) -> Arc<dyn Signer> {
        Arc::new(Interrupted { signer, meanwhile: self.clone() })
    }
}

struct Interrupted {
    signer: Arc<dyn Signer>,
    meanwhile: Meanwhile,
}

impl Signer for Interrupted {
    fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.meanwhile.happen();
        self.signer.sign(message)
    }
}

/// When the other process has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// While the passphrase is waited for: nothing is reserved yet.
    Passphrase,
    /// Between the reservation and the signature.
    Signature,
}

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// An authority on the same directory that is interrupted once by `work` of another on it.
fn interrupted(
    ca: &TestCa,
    at: At,
    work: impl FnOnce(CertificateManager) -> Work + Send + 'static,
) -> (CertificateManager, Meanwhile) {
    let other = ca.options();
    let meanwhile = Meanwhile::once(Box::new(move || {
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(work(CertificateManager::open(&other).expect("it opens")));
        });
        ended.join().expect("the other process does its work");
    }));
    let options = match at {
        At::Passphrase => options(&ca.data_dir(), &ca.clock, Arc::new(meanwhile.clone())),
        At::Signature => {
            let watch: Arc<dyn SignerWatch> = Arc::new(meanwhile.clone());
            ca.options().with_faults(Faults { watch: Some(watch), ..Faults::default() })
        }
    };
    (CertificateManager::open(&options).expect("it opens"), meanwhile)
}

fn revocation(ca: &str, reason: RevocationReason) -> RevokeRequest {
    RevokeRequest {
        certificate: ca.to_owned(),
        reason,
        invalidity_date: None,
        execution: Execution::Commit,
    }
}

fn revoke(ca: &'static str, reason: RevocationReason) -> impl FnOnce(CertificateManager) -> Work {
    move |other| {
        Box::pin(async move {
            other.revoke_ca(revocation(ca, reason)).await.expect("it is revoked");
        })
    }
}

fn renewal(ca: &str) -> RenewCaRequest {
    RenewCaRequest {
        ca: ca.to_owned(),
        validity: Validity::Default,
        idempotency: None,
        execution: Execution::Commit,
    }
}

fn renew(ca: &'static str) -> impl FnOnce(CertificateManager) -> Work {
    move |other| {
        Box::pin(async move {
            other.renew_ca(renewal(ca)).await.expect("it is renewed");
        })
    }
}

async fn find(ca: &TestCa, id: &str) -> CaInfo {
    ca.manager.find_ca(id).await.expect("it is there")
}

async fn issues(ca: &TestCa) -> Result<(), Error> {
    let request = issue_request("prod_ca_1", "late@b.example", Role::Client, &new_key());
    ca.manager.issue_certificate(request).await.map(drop)
}

#[tokio::test]
async fn a_ca_that_is_revoked_while_it_is_renewed_stays_revoked() {
    for at in [At::Passphrase, At::Signature] {
        for reason in [RevocationReason::KeyCompromise, RevocationReason::CertificateHold] {
            let ca = TestCa::with_hierarchy().await;
            let (renewing, meanwhile) = interrupted(&ca, at, revoke("prod_ca_1", reason));
            let renewed = renewing.renew_ca(renewal("prod_ca_1")).await;
            assert!(meanwhile.has_happened());
            assert!(matches!(renewed, Err(Error::CaRevoked { .. })), "{at:?}: {renewed:?}");
            let found = find(&ca, "prod_ca_1").await;
            assert!(matches!(found.status, CaStatus::Revoked | CaStatus::OnHold), "{found:?}");
            assert!(matches!(issues(&ca).await, Err(Error::CaRevoked { .. })), "{at:?}");
        }
    }
}

#[tokio::test]
async fn a_ca_that_is_renewed_while_it_is_revoked_is_revoked_with_its_new_certificate() {
    let ca = TestCa::with_hierarchy().await;
    let (revoking, meanwhile) = interrupted(&ca, At::Passphrase, renew("prod_ca_1"));
    let asked = revocation("prod_ca_1", RevocationReason::KeyCompromise);
    let Revocation { certificates, crl } = revoking.revoke_ca(asked).await.expect("it is revoked");
    assert!(meanwhile.has_happened());
    assert_eq!(certificates.len(), 2);
    assert_eq!(crl.expect("a list").entries, 2);
    assert_eq!(find(&ca, "prod_ca_1").await.status, CaStatus::Revoked);
    assert!(matches!(issues(&ca).await, Err(Error::CaRevoked { .. })));
}

#[tokio::test]
async fn a_ca_whose_key_is_lost_while_its_hold_is_released_stays_revoked() {
    let ca = TestCa::with_hierarchy().await;
    ca.manager.renew_ca(renewal("prod_ca_1")).await.expect("it is renewed");
    let hold = revocation("prod_ca_1", RevocationReason::CertificateHold);
    ca.manager.revoke_ca(hold).await.expect("it is on hold");
    let key_lost = revoke("prod_ca_1", RevocationReason::KeyCompromise);
    let (releasing, meanwhile) = interrupted(&ca, At::Passphrase, key_lost);
    let released = releasing.release_ca("prod_ca_1", Execution::Commit).await;
    assert!(meanwhile.has_happened());
    assert!(matches!(released, Err(Error::NotOnHold { .. })), "{released:?}");
    assert_eq!(find(&ca, "prod_ca_1").await.status, CaStatus::Revoked);
}

/// A store that an earlier version left so, or one that took a list over when it was restored.
#[tokio::test]
async fn a_lost_key_is_lost_whichever_certificate_says_so() {
    let ca = TestCa::with_hierarchy().await;
    let old = find(&ca, "prod_ca_1").await.certificate.serial;
    ca.manager.renew_ca(renewal("prod_ca_1")).await.expect("it is renewed");
    let hold = revocation("prod_ca_1", RevocationReason::CertificateHold);
    ca.manager.revoke_ca(hold).await.expect("it is on hold");
    let store = rusqlite::Connection::open(ca.data_dir().join("authority.db")).expect("a store");
    let sql = "UPDATE revocation SET reason = 1 WHERE hex(serial) = upper(?1)";
    assert_eq!(store.execute(sql, [&old]).expect("another reason"), 1);
    ca.manager.release_ca("prod_ca_1", Execution::Commit).await.expect("the present one is free");
    assert!(matches!(issues(&ca).await, Err(Error::CaRevoked { .. })));
    let renewed = ca.manager.renew_ca(renewal("prod_ca_1")).await;
    assert!(matches!(renewed, Err(Error::CaRevoked { .. })), "{renewed:?}");
    assert_eq!(find(&ca, "prod_ca_1").await.status, CaStatus::Revoked);
}

#[tokio::test]
async fn nothing_leaves_that_a_ca_signed_after_it_was_revoked() {
    for at in [At::Passphrase, At::Signature] {
        let ca = TestCa::with_hierarchy().await;
        let key_lost = revoke("prod_ca_1", RevocationReason::KeyCompromise);
        let (issuing, meanwhile) = interrupted(&ca, at, key_lost);
        let request = issue_request("prod_ca_1", "a@b.example", Role::Client, &new_key());
        let issued = issuing.issue_certificate(request).await;
        assert!(meanwhile.has_happened());
        assert!(matches!(issued, Err(Error::CaRevoked { .. })), "{at:?}: {issued:?}");
    }
}

#[tokio::test]
async fn no_slice_leaves_that_a_ca_signed_after_it_was_revoked() {
    for at in [At::Passphrase, At::Signature] {
        let ca = TestCa::with_hierarchy().await;
        let key_lost = revoke("prod_ca_1", RevocationReason::KeyCompromise);
        let (issuing, meanwhile) = interrupted(&ca, at, key_lost);
        let batch = issuing.batch(batch_request()).await.expect("a batch");
        let issued = batch.issue_slice(0, vec![batch_row()]).await;
        assert!(meanwhile.has_happened());
        assert!(matches!(issued, Err(Error::CaRevoked { .. })), "{at:?}: {issued:?}");
    }
}

fn batch_request() -> BatchRequest {
    BatchRequest {
        ca: "prod_ca_1".to_owned(),
        role: Some(Role::Client),
        profile: None,
        job: "job".to_owned(),
        execution: Execution::Commit,
    }
}

fn batch_row() -> BatchRow {
    BatchRow {
        row: 0,
        principal: Some(Principal::parse("client-0").expect("a principal")),
        role: None,
        profile: None,
        sans: Vec::new(),
        validity: Validity::Default,
        subject: RowKey::PublicKey(new_key()),
    }
}

#[tokio::test]
async fn a_ca_that_is_revoked_meanwhile_vouches_for_nothing() {
    let ca = TestCa::with_hierarchy().await;
    ca.create_intermediate("root_ca_1", "Staging CA").await;
    let signer = Some("prod_ca_1".to_owned());
    let key_lost = revoke("prod_ca_1", RevocationReason::KeyCompromise);
    let (asked, meanwhile) = interrupted(&ca, At::Passphrase, key_lost);
    let checkpoint = asked.audit_checkpoint(signer).await;
    assert!(meanwhile.has_happened());
    assert!(matches!(checkpoint, Err(Error::SignerRevoked { .. })), "{checkpoint:?}");

    let signer = Some("staging_ca_1".to_owned());
    let hold = revoke("staging_ca_1", RevocationReason::CertificateHold);
    let (asked, meanwhile) = interrupted(&ca, At::Passphrase, hold);
    let backup = asked.backup(BackupRequest { ca: signer }, Box::new(std::io::sink())).await;
    assert!(meanwhile.has_happened());
    let Err(Error::SignerRevoked { others, .. }) = &backup else { panic!("{backup:?}") };
    assert_eq!(others, &["root_ca_1"]);
}

#[tokio::test]
async fn what_a_ca_issued_while_the_passphrase_was_waited_for_is_revoked_with_the_rest() {
    let ca = TestCa::with_hierarchy().await;
    ca.issue("first@b.example", Role::Client).await;
    let issue_one_more = |other: CertificateManager| -> Work {
        Box::pin(async move {
            let request = issue_request("prod_ca_1", "second@b.example", Role::Client, &new_key());
            other.issue_certificate(request).await.expect("a certificate");
        })
    };
    let (revoking, meanwhile) = interrupted(&ca, At::Passphrase, issue_one_more);
    let asked = BatchRevokeRequest {
        which: Selection::Ca("prod_ca_1".to_owned()),
        reason: RevocationReason::CaCompromise,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    let done = revoking.revoke_batch(asked).await.expect("they are revoked");
    assert!(meanwhile.has_happened());
    assert_eq!(done.revoked, 2);
}
