//! The status of each certificate of a path (RFC 5280 6.3.3).

use rustmq_pki::der;
use rustmq_pki::read::{
    CertificateRef, DistributionPoint, DistributionPointName, GeneralName, GeneralNames,
    IssuingDistributionPoint, KeyUsage, NameRef, ReasonFlags, RevocationReason, SpkiRef,
};
use rustmq_pki::time::UnixTime;

use super::{Crl, StatusPolicy, Unusable, number_order};
use crate::budget::{Budget, Work};
use crate::certificate::Certificate;
use crate::error::{Detail, Refusal, Rule};
use crate::path::names::{same_name_within, weight};
use crate::path::rules::RuleSet;
use crate::path::search::{Goal, Path, Search};

/// The deepest chain of signers of status whose own status is looked up: a CRL issuer's CRL issuer's
/// and so on. Deployed hierarchies have one.
const MAX_NESTING: usize = 8;

/// What a distribution point counts for in comparisons of names, and each list that is sorted and asked
/// about it: some 300 ns and 150 ns.
const OF_A_POINT: usize = 16;
const OF_A_LIST: usize = 8;

const NEGATIVE: &str = "its number or that of its base is negative (RFC 5280 5.2.3)";

/// A distribution point as 6.3.3 uses it: one of the certificate's, or the implicit one of its issuer.
#[derive(Clone, Copy)]
enum Point<'a> {
    Stated(DistributionPoint<'a>),
    Issuer,
}

impl<'a> Point<'a> {
    fn crl_issuer(&self) -> Option<GeneralNames<'a>> {
        match self {
            Self::Stated(point) => point.crl_issuer,
            Self::Issuer => None,
        }
    }

    fn reasons(&self) -> ReasonFlags {
        match self {
            Self::Stated(point) => point.reasons.unwrap_or(ReasonFlags::ALL),
            Self::Issuer => ReasonFlags::ALL,
        }
    }
}

/// Who signed a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signer {
    /// Whoever answers for the certificate in question.
    Responsible,
    /// A CA of the same name with another key, which signs its own lists, or a key too weak to vouch for
    /// a peer: what it revokes is revoked.
    RevokesOnly,
}

/// What is known of one certificate so far.
pub(super) struct Status<'c> {
    covered: ReasonFlags,
    revoked: Option<RevocationReason>,
    /// The lists that were used, deltas among them.
    used: Vec<&'c Crl>,
    /// What an OCSP response past its nextUpdate revokes, and when that was so.
    pub(super) was_revoked: Option<(UnixTime, RevocationReason)>,
    /// When the newest list was made that says that the certificate is good.
    good_at: Option<UnixTime>,
    pub(super) nearest: Unusable,
}

/// What one certificate's status is asked with.
pub(super) struct Subject<'s> {
    pub(super) certificate: &'s Certificate<'s>,
    pub(super) path: &'s Path,
    /// Where in the path it is, or would be: the next one is its issuer.
    pub(super) at: usize,
}

impl Status<'_> {
    pub(super) const fn open() -> Self {
        Self {
            covered: ReasonFlags::NONE,
            revoked: None,
            used: Vec::new(),
            was_revoked: None,
            good_at: None,
            nearest: Unusable::Absent,
        }
    }

    /// What an expired response revokes is revoked, unless a list knows what has been since.
    fn still_revoked(&self) -> Result<(), Refusal> {
        match self.was_revoked {
            Some((at, reason)) if self.good_at.is_none_or(|good_at| good_at <= at) => {
                Err(Refusal::new(Rule::Revoked, Detail::Revocation(reason)))
            }
            _ => Ok(()),
        }
    }
}

impl<'q, 'a> Search<'q, 'a> {
    /// Finds the status of every certificate of a path, from the anchor down.
    pub(crate) fn check_revocation(&mut self, path: &Path) -> Result<(), Refusal> {
        if self.revocation.policy == StatusPolicy::NotChecked {
            return Ok(());
        }
        (0..path.certificates.len()).rev().try_for_each(|at| self.check_status(path, at))
    }

    fn check_status(&mut self, path: &Path, at: usize) -> Result<(), Refusal> {
        let index = path.certificates[at];
        let certificate = &self.bag.certificates[index];
        if self.in_progress.contains(&index) {
            // RFC 5280 does not say how a circle is to be broken. PKITS 4.14.30 holds it valid where a
            // signer's own list is the one that covers it; a CA that issued the signer does not vouch
            // for itself by what it issued.
            let of_itself = at == 0 && self.in_progress.last() == Some(&index);
            return match self.terms.rules {
                RuleSet::Pkix if of_itself => Ok(()),
                _ => Err(unknown(Unusable::Circular).of(certificate)),
            };
        }
        if self.in_progress.len() >= MAX_NESTING {
            return Err(unknown(Unusable::Circular).of(certificate));
        }
        self.in_progress.push(index);
        let result = self.status_of(&Subject { certificate, path, at });
        self.in_progress.pop();
        result.map_err(|refusal| match refusal.certificate {
            Some(_) => refusal,
            None => refusal.of(certificate),
        })
    }

    /// Revoked by whichever source is revoked: a response that was good may be replayed against a
    /// list that knows more.
    fn status_of(&mut self, subject: &Subject<'_>) -> Result<(), Refusal> {
        let mut status = Status::open();
        let good = self.ocsp_says_good(subject, &mut status)?;
        let result = self.status_by_crl(subject, &mut status);
        if !matches!(&result, Err(refusal) if refusal.rule != Rule::RevocationUnknown) {
            status.still_revoked()?;
        }
        match result {
            Err(refusal) if good && refusal.rule == Rule::RevocationUnknown => Ok(()),
            result => result,
        }
    }

    /// What the CRLs say, after what an OCSP response left open.
    pub(super) fn status_by_crl(
        &mut self,
        subject: &Subject<'_>,
        status: &mut Status<'q>,
    ) -> Result<(), Refusal> {
        let stated = subject.certificate.known.crl_distribution_points;
        let stated = stated.into_iter().flat_map(|points| points.value).map(Point::Stated);
        for point in stated.chain([Point::Issuer]) {
            let lists = self.lists_at(subject, point)?;
            let is_delta = |crl: &&Crl| crl.delta_base().is_some();
            let complete = lists.iter().copied().filter(|crl| !is_delta(crl));
            // What a delta adds to a list depends on the list; what it revokes does not.
            for crl in complete.chain(lists.iter().copied().filter(is_delta)) {
                match crl.delta_base() {
                    None => self.take_crl(subject, point, crl, status)?,
                    Some(_) => self.take_delta(subject, point, crl, status)?,
                }
                if let Some(reason) = status.revoked {
                    return Err(Refusal::new(Rule::Revoked, Detail::Revocation(reason)));
                }
            }
            if status.covered == ReasonFlags::ALL {
                return Ok(());
            }
        }
        let partly = status.covered != ReasonFlags::NONE;
        Err(unknown(if partly { Unusable::ReasonsNotCovered } else { status.nearest }))
    }

    /// The lists that may speak of a certificate: those by the key above it first, as finding a path
    /// for another signer asks for the status of other certificates; then the newest first.
    fn lists_at(
        &mut self,
        subject: &Subject<'_>,
        point: Point<'_>,
    ) -> Result<Vec<&'q Crl>, Refusal> {
        let crls = self.revocation.crls;
        let issuer = &subject.certificate.view.issuer;
        let unlike = crls.iter().filter(|crl| !crl.names(issuer)).count();
        self.budget.spend(Work::Names, crls.len() + unlike * weight(issuer))?;
        let mut lists: Vec<&Crl> =
            crls.iter().filter(|crl| point.crl_issuer().is_some() || crl.is_by(issuer)).collect();
        self.budget.spend(Work::Names, OF_A_POINT + lists.len() * OF_A_LIST)?;
        if lists.len() > 1 {
            let (key, key_id) = self.key_above(subject);
            let far = |crl: &Crl| {
                let other = crl.key_id().zip(key_id).is_some_and(|(wanted, held)| wanted != held);
                other && !crl.is_verified_under(&key)
            };
            lists.sort_by(|a, b| b.by_age(a));
            // Once for each: another thread may find out meanwhile whose list it is.
            lists.sort_by_cached_key(|crl| far(crl));
        }
        Ok(lists)
    }

    /// Steps (b) to (l) for one CRL. A CRL that does not help is no error; a spent budget is.
    ///
    /// A list that a newer one of the same issuer, scope and key has taken the place of is not asked;
    /// one by another key is, since neither says what the other knows.
    fn take_crl(
        &mut self,
        subject: &Subject<'_>,
        point: Point<'_>,
        crl: &'q Crl,
        status: &mut Status<'q>,
    ) -> Result<(), Refusal> {
        let Some(reasons) = self.reasons_in_scope(subject.certificate, point, crl)? else {
            return Ok(());
        };
        let known = |used: &&Crl| {
            crl.is_superseded_by(used) || crl.is_same(used) && status.covered.contains(reasons)
        };
        if reasons == ReasonFlags::NONE || status.used.iter().any(known) {
            return Ok(());
        }
        if status.covered.contains(reasons) && !self.lists_serial_of(subject, crl) {
            // Whoever signed it: it has nothing to add.
            return Ok(());
        }
        let form = self.check_form(crl);
        if let Err(unusable) = form
            && !unusable.may_still_revoke()
        {
            status.nearest = unusable;
            return Ok(());
        }
        let signer = match self.check_signer(subject, crl)? {
            Ok(signer) => signer,
            Err(unusable) => {
                status.nearest = form.err().unwrap_or(unusable);
                return Ok(());
            }
        };
        // Without a key identifier it is known only now whose list this is.
        if status.used.iter().any(|used| crl.is_superseded_by(used)) {
            return Ok(());
        }
        let expired = matches!(form, Err(Unusable::Expired(_)));
        if expired && status.used.iter().any(|used| crl.is_outlived_by(used)) {
            return Ok(());
        }
        let delta = self.newest_delta(subject, crl)?;
        status.revoked = find_revoked(&subject.certificate.view, crl, delta);
        if let Err(unusable @ (Unusable::Expired(_) | Unusable::NoNextUpdate)) = form {
            status.nearest = unusable;
            return Ok(());
        }
        status.used.extend([crl].into_iter().chain(delta));
        self.rests_on(crl.this_update(), crl.next_update());
        // What such a list does not revoke is not known to be good.
        match (form, signer) {
            (Err(unusable), _) => status.nearest = unusable,
            (Ok(()), Signer::RevokesOnly) => status.nearest = Unusable::Signature,
            (Ok(()), Signer::Responsible) => {
                status.covered = status.covered.union(reasons);
                status.good_at = status.good_at.max(Some(crl.this_update()));
            }
        }
        Ok(())
    }

    /// Whether a list or a delta to it has the serial number of the certificate, of whichever issuer.
    fn lists_serial_of(&self, subject: &Subject<'_>, crl: &Crl) -> bool {
        let serial = subject.certificate.view.serial.as_bytes();
        let mut deltas = self.revocation.crls.iter().filter(|crl| crl.delta_base().is_some());
        crl.lists(serial) || deltas.any(|delta| delta.lists(serial) && delta.has_scope_of(crl))
    }

    /// A delta that was not taken with a complete list, since that is absent or older than it needs, or
    /// since it has expired or breaks a rule itself: it proves nothing good and takes nothing back, but
    /// what it revokes is revoked, until a later list of the same key says otherwise.
    fn take_delta(
        &mut self,
        subject: &Subject<'_>,
        point: Point<'_>,
        delta: &'q Crl,
        status: &mut Status<'q>,
    ) -> Result<(), Refusal> {
        let in_scope = self.reasons_in_scope(subject.certificate, point, delta)?;
        if in_scope.is_none_or(|reasons| reasons == ReasonFlags::NONE) {
            return Ok(());
        }
        if status.nearest == Unusable::Absent {
            status.nearest = Unusable::DeltaWithoutBase;
        }
        let outdated = |status: &Status<'_>| status.used.iter().any(|u| delta.is_outdated_by(u));
        let Some(reason) = find_revoked(&subject.certificate.view, delta, None) else {
            return Ok(());
        };
        let usable = self
            .check_form(delta)
            .or_else(|unusable| if unusable.may_still_revoke() { Ok(()) } else { Err(unusable) });
        if usable.is_err() || outdated(status) || self.check_signer(subject, delta)?.is_err() {
            return Ok(());
        }
        // It may be known only now by which key it is.
        if !outdated(status) {
            status.revoked = Some(reason);
        }
        Ok(())
    }

    /// Remembers from when until when the answer holds, given what it rests on.
    pub(super) fn rests_on(&mut self, this_update: UnixTime, next_update: Option<UnixTime>) {
        let until = next_update.unwrap_or(UnixTime::MAX).plus_seconds(self.revocation.grace);
        self.holds_within(this_update, until);
    }

    /// Remembers that the answer rests on something that holds from `from` until `until`.
    pub(crate) fn holds_within(&mut self, from: UnixTime, until: UnixTime) {
        self.status_window.0 = self.status_window.0.max(from);
        self.status_window.1 = self.status_window.1.min(until);
    }

    /// Whether a delta may be used at all: its date, its extensions, its signer.
    fn check_delta(&mut self, subject: &Subject<'_>, crl: &Crl) -> Result<bool, Refusal> {
        Ok(self.check_form(crl).is_ok() && self.check_signer(subject, crl)?.is_ok())
    }

    /// Remembers that the answer may be another one from `at` on: a source counts then.
    pub(super) fn holds_before(&mut self, at: UnixTime) {
        self.status_window.1 = self.status_window.1.min(at.plus_seconds(-1));
    }

    fn check_form(&mut self, crl: &Crl) -> Result<(), Unusable> {
        let now = self.terms.at;
        if crl.this_update() > now {
            self.holds_before(crl.this_update());
            return Err(Unusable::NotYetValid(crl.this_update()));
        }
        if crl.is_negative() {
            return Err(Unusable::Profile(NEGATIVE));
        }
        if crl.has_unknown_critical() {
            return Err(Unusable::UnknownCriticalExtension);
        }
        let next_update = crl.next_update().ok_or(Unusable::NoNextUpdate)?;
        if next_update.plus_seconds(self.revocation.grace) < now {
            return Err(Unusable::Expired(next_update));
        }
        self.grace_used |= next_update < now;
        match crl.fault() {
            Some(fault) if self.terms.rules != RuleSet::Pkix => Err(Unusable::Profile(fault)),
            _ => Ok(()),
        }
    }

    /// Steps (f) and (g): the key above the certificate in its own path, or another certificate of
    /// the CRL's issuer that the same anchor vouches for.
    fn check_signer(
        &mut self,
        subject: &Subject<'_>,
        crl: &Crl,
    ) -> Result<Result<Signer, Unusable>, Refusal> {
        let bag = self.bag;
        let (name, key, may_sign) = self.issuer_of(subject);
        let parameters = self.parameters_above(subject.path, subject.at + 1);
        let same = crl.is_by(&name);
        if may_sign && same && self.signed_by(crl, &key, parameters)? {
            return Ok(Ok(Signer::Responsible));
        }
        let wanted = crl.key_id();
        let mut nearest = Err(Unusable::Signature);
        let anchor = &bag.anchors[subject.path.anchor];
        let anchor_signs = !self.terms.rules.judges_anchors() || may_sign_crls(&anchor.certificate);
        if anchor_signs && crl.is_by(&anchor.name) && self.signed_by(crl, &anchor.spki, None)? {
            let path = Path { certificates: Vec::new(), anchor: subject.path.anchor };
            match self.standing(subject, same, &path) {
                Signer::Responsible => return Ok(Ok(Signer::Responsible)),
                Signer::RevokesOnly => nearest = Ok(Signer::RevokesOnly),
            }
        }
        for (index, candidate) in bag.certificates.iter().enumerate() {
            let subject_name = &candidate.view.subject;
            let unlike = if crl.names(subject_name) { 0 } else { weight(subject_name) };
            self.budget.spend(Work::Names, 1 + unlike)?;
            let held = candidate.known.subject_key_id.map(|ski| ski.value);
            let other_key = wanted.is_some() && held.is_some() && wanted != held;
            let tried = may_sign && same && candidate.view.spki.der == key.der;
            if other_key
                || tried
                || !may_sign_crls(candidate)
                || !crl.is_by(&candidate.view.subject)
                || !self.signed_by(crl, &candidate.view.spki, None)?
            {
                continue;
            }
            match self.trust_signer(index, subject.path.anchor)? {
                Ok(path) => match self.standing(subject, same, &path) {
                    Signer::Responsible => return Ok(Ok(Signer::Responsible)),
                    Signer::RevokesOnly => nearest = Ok(Signer::RevokesOnly),
                },
                Err(unusable) => nearest = nearest.or(Err(unusable)),
            }
        }
        Ok(nearest)
    }

    /// What the signer at the foot of `signer` is to the issuer of the certificate in question.
    ///
    /// Two CAs of one name know nothing of each other's certificates. They are one if certificates that
    /// one key issued for the other under its own name join them (RFC 5280 6.1, key rollover); and the
    /// issuer of a CA that signs no lists itself may have appointed another key to do so.
    fn standing(&self, subject: &Subject<'_>, same_name: bool, signer: &Path) -> Signer {
        let above = self.keys_of_one_ca(subject.path, subject.at + 1);
        let joined = self.keys_of_one_ca(signer, 0).iter().any(|key| above.contains(key));
        let appointed = || {
            let (_, _, may_sign) = self.issuer_of(subject);
            let issued_by = |path, at| self.key_at(path, at).der;
            !may_sign && issued_by(signer, 1) == issued_by(subject.path, subject.at + 2)
        };
        let strong = self.mtls.is_none() || self.check_strength(signer).is_ok();
        match strong && (!same_name || joined || appointed()) {
            true => Signer::Responsible,
            false => Signer::RevokesOnly,
        }
    }

    /// The key at `at` in a path, and those above it that issued it under its own name.
    fn keys_of_one_ca(&self, path: &Path, at: usize) -> Vec<&'a [u8]> {
        let is_self_issued = |index: &&usize| self.bag.certificates[**index].is_self_issued();
        let above = path.certificates.get(at..).unwrap_or(&[]);
        let others = above.iter().take_while(is_self_issued).count();
        (at..=at + others).map(|at| self.key_at(path, at).der).collect()
    }

    /// The path from a signer of status to the anchor of the certificate in question.
    fn trust_signer(
        &mut self,
        index: usize,
        anchor: usize,
    ) -> Result<Result<Path, Unusable>, Refusal> {
        match self.find(index, Goal::StatusIssuer { anchor }) {
            Ok(path) => {
                for index in &path.certificates {
                    let validity = self.bag.certificates[*index].view.validity;
                    self.holds_within(validity.not_before.at, validity.not_after.at);
                }
                Ok(Ok(path))
            }
            Err(refusal) if refusal.rule == Rule::BudgetExceeded => Err(refusal),
            Err(Refusal { detail: Detail::Source(Unusable::Circular), .. }) => {
                Ok(Err(Unusable::Circular))
            }
            Err(_) => Ok(Err(Unusable::Signature)),
        }
    }

    /// Name and key of the issuer in the path, and whether it may sign CRLs.
    pub(super) fn issuer_of(&self, subject: &Subject<'_>) -> (NameRef<'a>, SpkiRef<'a>, bool) {
        match subject.path.certificates.get(subject.at + 1) {
            Some(index) => {
                let issuer = &self.bag.certificates[*index];
                (issuer.view.subject, issuer.view.spki, may_sign_crls(issuer))
            }
            None => {
                let anchor = &self.bag.anchors[subject.path.anchor];
                let judged = self.terms.rules.judges_anchors();
                (anchor.name, anchor.spki, !judged || may_sign_crls(&anchor.certificate))
            }
        }
    }

    /// The key of the issuer in the path and its identifier.
    fn key_above(&self, subject: &Subject<'_>) -> (SpkiRef<'a>, Option<&'a [u8]>) {
        let issuer = match subject.path.certificates.get(subject.at + 1) {
            Some(index) => &self.bag.certificates[*index],
            None => &self.bag.anchors[subject.path.anchor].certificate,
        };
        (issuer.view.spki, issuer.known.subject_key_id.map(|ski| ski.value))
    }

    fn signed_by(
        &mut self,
        crl: &Crl,
        key: &SpkiRef<'a>,
        parameters: Option<&SpkiRef<'a>>,
    ) -> Result<bool, Refusal> {
        if let Some(known) = crl.is_known_to_verify(key) {
            return Ok(known);
        }
        self.budget.spend(Work::Signatures, crl.cost(key))?;
        Ok(crl.verify(key, self.dsa(), parameters))
    }

    /// Step (b): the reasons for which the list speaks of the certificate at this point, if it does.
    fn reasons_in_scope(
        &mut self,
        certificate: &Certificate<'_>,
        point: Point<'_>,
        crl: &Crl,
    ) -> Result<Option<ReasonFlags>, Refusal> {
        if crl.is_unlimited() {
            // No indirect list, so that a distribution point's cRLIssuer is not asked for.
            let right = point.crl_issuer().is_none() && crl.is_by(&certificate.view.issuer);
            return Ok(right.then(|| point.reasons()));
        }
        let (Some(scope), Some(signer)) = (crl.scope(), crl.signer_name()) else { return Ok(None) };
        let reasons = scope.only_some_reasons.unwrap_or(ReasonFlags::ALL);
        let within = in_scope(certificate, point, (&signer, &scope), &mut self.budget)?;
        Ok(within.then(|| reasons.intersection(point.reasons())))
    }

    /// Steps (c) and (h): the newest delta CRL to this base.
    fn newest_delta(
        &mut self,
        subject: &Subject<'_>,
        base: &Crl,
    ) -> Result<Option<&'q Crl>, Refusal> {
        let Some(base_number) = base.number() else { return Ok(None) };
        let revocation = self.revocation;
        let mut newest: Option<(&[u8], &'q Crl)> = None;
        for delta in revocation.crls.iter().filter(|crl| !crl.is_same(base)) {
            let (Some(needed), Some(number)) = (delta.delta_base(), delta.number()) else {
                continue;
            };
            self.budget.spend(Work::Names, 1)?;
            // The same issuer, scope and key (6.3.3 (c)), and after the base (5.2.4).
            let fits = number_order(needed, base_number).is_le()
                && number_order(number, base_number).is_gt()
                && delta.has_scope_of(base);
            let newer = newest.is_none_or(|(held, _)| number_order(number, held).is_gt());
            if fits && newer && self.check_delta(subject, delta)? && delta.has_key_of(base) {
                newest = Some((number, delta));
            }
        }
        Ok(newest.map(|(_, delta)| {
            self.rests_on(delta.this_update(), delta.next_update());
            delta
        }))
    }
}

/// Step (i): why a list, with the newest delta to it, revokes the certificate, if it does.
fn find_revoked(
    certificate: &CertificateRef<'_>,
    crl: &Crl,
    delta: Option<&Crl>,
) -> Option<RevocationReason> {
    use RevocationReason::{CertificateHold, RemoveFromCrl};
    let find = |crl: &Crl| crl.find(&certificate.issuer, certificate.serial.as_bytes());
    let found = match delta.and_then(find) {
        // What has not expired is removed only from hold (RFC 5280 5.3.1).
        Some(RemoveFromCrl) => find(crl).filter(|reason| *reason != CertificateHold),
        found => found.or_else(|| find(crl)),
    };
    found.filter(|reason| *reason != RemoveFromCrl)
}

fn unknown(unusable: Unusable) -> Refusal {
    Refusal::new(Rule::RevocationUnknown, Detail::Source(unusable))
}

/// Without keyUsage a key may be used for anything (RFC 5280 4.2.1.3).
fn may_sign_crls(certificate: &Certificate<'_>) -> bool {
    certificate.known.key_usage.is_none_or(|usage| usage.value.contains(KeyUsage::CRL_SIGN))
}

/// Whether a list with a scope is by the right issuer and covers the certificate at this point. The peer
/// says how many points there are and how many names each has, so that each comparison is paid.
fn in_scope(
    certificate: &Certificate<'_>,
    point: Point<'_>,
    (signer, scope): (&NameRef<'_>, &IssuingDistributionPoint<'_>),
    budget: &mut Budget,
) -> Result<bool, Refusal> {
    let excluded =
        if certificate.known.is_ca() { scope.only_user_certs } else { scope.only_ca_certs };
    if excluded || scope.only_attribute_certs {
        return Ok(false);
    }
    let right_issuer = match point.crl_issuer() {
        Some(names) => scope.indirect && has_directory(names, signer, budget)?,
        None => same_name_within(signer, &certificate.view.issuer, budget)?,
    };
    Ok(right_issuer && same_point(certificate, point, (signer, scope), budget)?)
}

/// Whether any of these holds; what one costs may be more than is left.
fn any<T>(
    all: impl IntoIterator<Item = T>,
    mut holds: impl FnMut(T) -> Result<bool, Refusal>,
) -> Result<bool, Refusal> {
    for one in all {
        if holds(one)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_directory(
    names: GeneralNames<'_>,
    wanted: &NameRef<'_>,
    budget: &mut Budget,
) -> Result<bool, Refusal> {
    any(names, |name| {
        budget.spend(Work::Names, reading(&name))?;
        match name {
            GeneralName::Directory(name) => same_name_within(&name, wanted, budget),
            _ => Ok(false),
        }
    })
}

/// What reading a name again counts for in comparisons: directory names are walked whole.
fn reading(name: &GeneralName<'_>) -> usize {
    match name {
        GeneralName::Directory(name) => 1 + name.der.len() / 16,
        _ => 1,
    }
}

/// Step (b) (2) (i): if the list names its distribution point, one of its names is one of the
/// certificate's; without a name in the certificate, one of the CRL issuer's names.
fn same_point(
    certificate: &Certificate<'_>,
    point: Point<'_>,
    (signer, scope): (&NameRef<'_>, &IssuingDistributionPoint<'_>),
    budget: &mut Budget,
) -> Result<bool, Refusal> {
    let Some(crl_name) = scope.name else { return Ok(true) };
    let crl_names = Names { name: crl_name, below: vec![*signer] };
    match point {
        Point::Issuer => crl_names.has_directory(&certificate.view.issuer, budget),
        Point::Stated(stated) => match (stated.name, stated.crl_issuer) {
            (Some(name), issuers) => {
                let issuers = issuers.map_or_else(|| vec![certificate.view.issuer], directories);
                crl_names.shares_one_with(&Names { name, below: issuers }, budget)
            }
            (None, Some(issuers)) => {
                any(directories(issuers), |issuer| crl_names.has_directory(&issuer, budget))
            }
            (None, None) => Ok(false),
        },
    }
}

fn directories<'a>(names: GeneralNames<'a>) -> Vec<NameRef<'a>> {
    let directory = |name| match name {
        GeneralName::Directory(name) => Some(name),
        _ => None,
    };
    // More issuers than a handful name no distribution point that exists.
    names.iter().take(64).filter_map(directory).take(8).collect()
}

/// The names of a distribution point; a relative one continues each of `below`.
struct Names<'a> {
    name: DistributionPointName<'a>,
    below: Vec<NameRef<'a>>,
}

impl Names<'_> {
    /// The full directory names that a relative name stands for.
    fn relative(&self, budget: &mut Budget) -> Result<Vec<Vec<u8>>, Refusal> {
        let DistributionPointName::Relative(attributes) = self.name else { return Ok(Vec::new()) };
        let rdn = der::constructed(der::tag::SET, &[attributes.contents()]);
        let octets: usize = self.below.iter().map(|name| name.der.len() + rdn.len()).sum();
        budget.spend(Work::Names, octets / 16)?;
        let full = |name: &NameRef<'_>| {
            der::constructed(der::tag::SEQUENCE, &[name.rdns.contents(), &rdn])
        };
        Ok(self.below.iter().map(full).collect())
    }

    fn has_directory(&self, wanted: &NameRef<'_>, budget: &mut Budget) -> Result<bool, Refusal> {
        match self.name {
            DistributionPointName::Full(names) => has_directory(names, wanted, budget),
            DistributionPointName::Relative(_) => any(self.relative(budget)?, |der| {
                let name = NameRef::from_der(&der);
                name.map_or(Ok(false), |name| same_name_within(&name, wanted, budget))
            }),
        }
    }

    fn shares_one_with(&self, other: &Self, budget: &mut Budget) -> Result<bool, Refusal> {
        match (self.name, other.name) {
            (DistributionPointName::Full(a), DistributionPointName::Full(b)) => any(a, |a| {
                any(b, |b| {
                    budget.spend(Work::Names, reading(&b))?;
                    same_general_name(&a, &b, budget)
                })
            }),
            (_, DistributionPointName::Relative(_)) => any(other.relative(budget)?, |der| {
                let name = NameRef::from_der(&der);
                name.map_or(Ok(false), |name| self.has_directory(&name, budget))
            }),
            (DistributionPointName::Relative(_), _) => other.shares_one_with(self, budget),
        }
    }
}

fn same_general_name(
    a: &GeneralName<'_>,
    b: &GeneralName<'_>,
    budget: &mut Budget,
) -> Result<bool, Refusal> {
    Ok(match (a, b) {
        (GeneralName::Directory(a), GeneralName::Directory(b)) => {
            return same_name_within(a, b, budget);
        }
        (GeneralName::Uri(a), GeneralName::Uri(b)) => a == b,
        (GeneralName::Dns(a), GeneralName::Dns(b)) => a.eq_ignore_ascii_case(b),
        (GeneralName::Rfc822(a), GeneralName::Rfc822(b)) => a == b,
        (GeneralName::Ip(a), GeneralName::Ip(b)) => a == b,
        (GeneralName::RegisteredId(a), GeneralName::RegisteredId(b)) => a == b,
        _ => false,
    })
}
