//! Random lives of certificates against a small model of the rules.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use proptest::prelude::*;
use rustmq_ca::{
    CertificateManager, CertificateStatus, CrlRefresh, Error, Execution, RenewRequest, RenewalKey,
    RevokeRequest, RotateRequest,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::PublicKey;
use rustmq_pki::profile::Validity;
use rustmq_pki::read::CrlRef;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;
use rustmq_testkit::{START, TestCa, issue_request, new_key};

const PRINCIPALS: [&str; 3] = ["a@b.example", "b@b.example", "c@b.example"];
const KEYS: usize = 4;

/// The keys are the same in each run: making them is not what is tested.
fn keys() -> &'static [PublicKey] {
    static POOL: OnceLock<Vec<PublicKey>> = OnceLock::new();
    POOL.get_or_init(|| (0..KEYS).map(|_| new_key()).collect())
}

#[derive(Clone, Debug)]
enum Step {
    Issue { principal: usize, key: usize },
    Renew { certificate: usize, key: Option<usize>, overlap: Option<i64> },
    Revoke { certificate: usize, reason: RevocationReason },
    Release { certificate: usize },
    Crl,
    Wait { days: i64 },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    use RevocationReason::{CertificateHold, KeyCompromise, PrivilegeWithdrawn};
    let reason = prop::sample::select(vec![CertificateHold, KeyCompromise, PrivilegeWithdrawn]);
    prop_oneof![
        4 => (0..PRINCIPALS.len(), 0..KEYS).prop_map(|(principal, key)| Step::Issue { principal, key }),
        3 => (0..6usize, prop::option::of(0..KEYS), prop::option::of(0..9i64))
            .prop_map(|(certificate, key, overlap)| Step::Renew { certificate, key, overlap }),
        4 => (0..6usize, reason).prop_map(|(certificate, reason)| Step::Revoke { certificate, reason }),
        2 => (0..6usize).prop_map(|certificate| Step::Release { certificate }),
        2 => Just(Step::Crl),
        3 => (1..40i64).prop_map(|days| Step::Wait { days }),
        1 => Just(Step::Reopen),
    ]
}

/// A certificate as the model knows it.
#[derive(Clone, Debug)]
struct Known {
    id: String,
    serial: String,
    principal: usize,
    key: usize,
    not_after: UnixTime,
    revoked: Option<RevocationReason>,
    supersede_at: Option<UnixTime>,
}

impl Known {
    fn status(&self, now: UnixTime) -> CertificateStatus {
        match self.revoked {
            Some(RevocationReason::CertificateHold) => CertificateStatus::OnHold,
            Some(RevocationReason::Superseded) => CertificateStatus::Superseded,
            Some(_) => CertificateStatus::Revoked,
            None if self.not_after < now => CertificateStatus::Expired,
            None => CertificateStatus::Active,
        }
    }

    /// Whether a revocation for `reason` is taken, and the code of the refusal otherwise.
    fn revocable(&self, reason: RevocationReason, now: UnixTime) -> Result<(), &'static str> {
        match self.revoked {
            Some(RevocationReason::CertificateHold)
                if reason != RevocationReason::CertificateHold =>
            {
                Ok(())
            }
            Some(_) => Err("already_revoked"),
            None if self.not_after < now => Err("certificate_expired"),
            None => Ok(()),
        }
    }
}

#[derive(Default)]
struct Model {
    certificates: Vec<Known>,
    holders: HashMap<usize, usize>,
    compromised: BTreeSet<usize>,
}

impl Model {
    /// What every writing operation carries out first.
    fn supersede_due(&mut self, now: UnixTime) {
        for certificate in &mut self.certificates {
            if certificate.supersede_at.is_some_and(|at| at <= now) {
                if certificate.revocable(RevocationReason::Superseded, now).is_ok() {
                    certificate.revoked = Some(RevocationReason::Superseded);
                }
                certificate.supersede_at = None;
            }
        }
    }

    fn may_hold(&self, key: usize, principal: usize) -> Result<(), &'static str> {
        match self.holders.get(&key) {
            _ if self.compromised.contains(&key) => Err("key_compromised"),
            Some(holder) if *holder != principal => Err("key_held_by_another"),
            _ => Ok(()),
        }
    }
}

fn same<T>(result: &Result<T, Error>, expected: Result<(), &'static str>) -> Result<(), String> {
    match (result, expected) {
        (Ok(_), Ok(())) => Ok(()),
        (Err(error), Err(code)) if error.code() == code => Ok(()),
        (Ok(_), expected) => Err(format!("done, and the model says {expected:?}")),
        (Err(error), expected) => Err(format!("{}, and the model says {expected:?}", error.code())),
    }
}

struct Life {
    ca: TestCa,
    manager: CertificateManager,
    model: Model,
    last_crl: u64,
}

impl Life {
    fn now(&self) -> UnixTime {
        use rustmq_ca::Clock;
        self.ca.clock.now()
    }

    async fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Issue { principal, key } => self.issue(*principal, *key).await,
            Step::Renew { certificate, key, overlap } => {
                self.renew(*certificate, *key, *overlap).await
            }
            Step::Revoke { certificate, reason } => self.revoke(*certificate, *reason).await,
            Step::Release { certificate } => self.release(*certificate).await,
            Step::Crl => self.crl().await,
            Step::Wait { days } => {
                self.ca.clock.advance_days(*days);
                Ok(())
            }
            Step::Reopen => {
                self.manager = CertificateManager::open(&self.ca.options()).expect("opens");
                Ok(())
            }
        }
    }

    fn know(&mut self, issued: &rustmq_ca::Issued, principal: usize, key: usize) {
        self.model.holders.insert(key, principal);
        self.model.certificates.push(Known {
            id: issued.info().id.clone(),
            serial: issued.info().serial.clone(),
            principal,
            key,
            not_after: issued.info().not_after,
            revoked: None,
            supersede_at: None,
        });
    }

    async fn issue(&mut self, principal: usize, key: usize) -> Result<(), String> {
        self.model.supersede_due(self.now());
        let expected = self.model.may_hold(key, principal);
        let request = issue_request("prod_ca_1", PRINCIPALS[principal], Role::Client, &keys()[key]);
        let result = self.manager.issue_certificate(request).await;
        same(&result, expected)?;
        if let Ok(issuance) = result {
            self.know(&issuance.issued.expect("no dry run"), principal, key);
        }
        Ok(())
    }

    async fn renew(
        &mut self,
        certificate: usize,
        key: Option<usize>,
        overlap: Option<i64>,
    ) -> Result<(), String> {
        let Some(old) = self.model.certificates.get(certificate).cloned() else { return Ok(()) };
        self.model.supersede_due(self.now());
        let expected = self.model.may_hold(key.unwrap_or(old.key), old.principal);
        let renewal = RenewRequest {
            certificate: old.id,
            key: key.map_or(RenewalKey::Same, |key| RenewalKey::New(keys()[key].clone())),
            validity: Validity::Default,
            idempotency: None,
            execution: Execution::Commit,
        };
        let result = match overlap {
            None => self.manager.renew_certificate(renewal).await,
            Some(overlap_days) => {
                self.manager.rotate_certificate(RotateRequest { renewal, overlap_days }).await
            }
        };
        same(&result, expected)?;
        if let Ok(issuance) = result {
            let issued = issuance.issued.expect("no dry run");
            self.know(&issued, old.principal, key.unwrap_or(old.key));
            let due = overlap.map(|days| self.now().plus_days(days));
            let old = &mut self.model.certificates[certificate];
            old.supersede_at = [old.supersede_at, due].into_iter().flatten().min();
            self.model.supersede_due(self.now());
        }
        Ok(())
    }

    async fn revoke(&mut self, at: usize, reason: RevocationReason) -> Result<(), String> {
        let now = self.now();
        let Some(id) = self.model.certificates.get(at).map(|known| known.id.clone()) else {
            return Ok(());
        };
        self.model.supersede_due(now);
        let expected = self.model.certificates[at].revocable(reason, now);
        let request = RevokeRequest {
            certificate: id,
            reason,
            invalidity_date: None,
            execution: Execution::Commit,
        };
        let result = self.manager.revoke_certificate(request).await;
        same(&result, expected)?;
        if result.is_ok() {
            let known = &mut self.model.certificates[at];
            known.revoked = Some(reason);
            if reason != RevocationReason::CertificateHold {
                known.supersede_at = None;
            }
            if reason == RevocationReason::KeyCompromise {
                self.model.compromised.insert(known.key);
            }
        }
        Ok(())
    }

    async fn release(&mut self, at: usize) -> Result<(), String> {
        let Some(id) = self.model.certificates.get(at).map(|known| known.id.clone()) else {
            return Ok(());
        };
        self.model.supersede_due(self.now());
        let known = &mut self.model.certificates[at];
        let on_hold = known.revoked == Some(RevocationReason::CertificateHold);
        let result = self.manager.release_certificate(&id, Execution::Commit).await;
        same(&result, if on_hold { Ok(()) } else { Err("not_on_hold") })?;
        if on_hold {
            known.revoked = None;
        }
        Ok(())
    }

    /// All that is revoked and not past its end is on the CRL, and nothing that is not revoked.
    async fn crl(&mut self) -> Result<(), String> {
        let now = self.now();
        self.model.supersede_due(now);
        let publication = self.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await;
        let publication = publication.map_err(|error| error.to_string())?;
        let view = CrlRef::read(publication.crl.der()).expect("a CRL");
        let hex = |octets: &[u8]| octets.iter().map(|o| format!("{o:02x}")).collect::<String>();
        let listed: BTreeSet<_> =
            view.entries().map(|entry| hex(entry.expect("an entry").serial.magnitude())).collect();
        for known in &self.model.certificates {
            let is_listed = listed.contains(&known.serial);
            match known.revoked {
                Some(_) if known.not_after >= now && !is_listed => {
                    return Err(format!("{} is revoked and not listed", known.id));
                }
                None if is_listed => return Err(format!("{} is listed, not revoked", known.id)),
                _ => {}
            }
        }
        if publication.crl.number() <= self.last_crl {
            return Err("the CRL number went back".to_owned());
        }
        self.last_crl = publication.crl.number();
        Ok(())
    }

    /// The store tells of every certificate what the model knows, and its counts agree.
    async fn compare(&self) -> Result<(), String> {
        let now = self.now();
        let mut active = 0;
        for known in &self.model.certificates {
            let told = self.manager.info(&known.id).await.expect("known");
            if told.status != known.status(now) {
                let expected = known.status(now);
                return Err(format!("{} is {}, the model says {expected}", known.id, told.status));
            }
            active += u64::from(told.status == CertificateStatus::Active);
        }
        let counts = self.manager.find_ca("prod_ca_1").await.expect("a CA").counts;
        let counted = counts.first().map_or(0, |count| count.active);
        if counted != active {
            return Err(format!("the tree counts {counted} active, there are {active}"));
        }
        Ok(())
    }
}

async fn live(steps: Vec<Step>) -> Result<(), String> {
    let ca = TestCa::with_hierarchy().await;
    let manager = ca.manager.clone();
    let mut life = Life { ca, manager, model: Model::default(), last_crl: 0 };
    assert_eq!(life.now(), START);
    for (at, step) in steps.iter().enumerate() {
        life.take(step).await.map_err(|why| format!("step {at}, {step:?}: {why}"))?;
        life.compare().await.map_err(|why| format!("after step {at}, {step:?}: {why}"))?;
    }
    let verdict = life.manager.audit_verify().await.expect("a verdict");
    match verdict.fault {
        None => Ok(()),
        Some(fault) => Err(fault.to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_store_keeps_to_the_model(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(live(steps)).map_err(TestCaseError::fail)?;
    }
}
