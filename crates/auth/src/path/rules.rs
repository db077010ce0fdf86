//! The rule sets, and the rules for a single certificate that RFC 5280 section 4 states.

use rustmq_pki::read::{CertificateRef, GeneralName, KeyUsage, KnownExtensions, Version};
use rustmq_pki::time::{Civil, UnixTime};

use super::encoding;
use super::names::{DnsSyntax, is_dns_pattern, is_uri, split_mailbox};
use super::webpki;
use crate::certificate::Certificate;
use crate::error::{Detail, Refusal, Rule};
use crate::key_form::{KeyFault, is_on_curve, key_fault};

/// Which rules a path is judged by. One engine applies them all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RuleSet {
    /// RFC 5280 section 6 and nothing more: an anchor is a name and a key.
    #[default]
    Pkix,
    /// Also section 4, for every certificate of the path and the anchor.
    Rfc5280,
    /// Also the CA/Browser Forum's Baseline Requirements.
    WebPki,
}

impl RuleSet {
    /// Whether the certificate of the anchor is judged as well.
    pub(crate) const fn judges_anchors(self) -> bool {
        !matches!(self, Self::Pkix)
    }

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pkix => "pkix",
            Self::Rfc5280 => "rfc5280",
            Self::WebPki => "webpki",
        }
    }
}

/// Where in the path a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Leaf,
    Intermediate,
    Anchor,
}

/// The findings of one certificate under a rule set, in the order of the standard.
pub(crate) struct Findings<'c, 'a> {
    pub(crate) certificate: &'c Certificate<'a>,
    pub(crate) place: Place,
    pub(crate) rules: RuleSet,
    found: Vec<Refusal>,
}

impl<'c, 'a> Findings<'c, 'a> {
    pub(crate) fn view(&self) -> &'c CertificateRef<'a> {
        &self.certificate.view
    }

    pub(crate) fn known(&self) -> &'c KnownExtensions<'a> {
        &self.certificate.known
    }

    /// Records a finding if it is one.
    pub(crate) fn find(&mut self, broken: bool, rule: Rule) {
        if broken {
            self.find_in(rule, Detail::None);
        }
    }

    pub(crate) fn find_in(&mut self, rule: Rule, detail: Detail) {
        self.found.push(Refusal::new(rule, detail).of(self.certificate));
    }

    pub(crate) fn is_ca(&self) -> bool {
        self.place != Place::Leaf || self.known().is_ca()
    }
}

/// What the rule set says of one certificate; nothing under [`RuleSet::Pkix`].
pub(crate) fn findings(
    certificate: &Certificate<'_>,
    place: Place,
    rules: RuleSet,
) -> Vec<Refusal> {
    let mut findings = Findings { certificate, place, rules, found: Vec::new() };
    if rules != RuleSet::Pkix {
        if let Some(fault) = encoding::fault(&certificate.view) {
            findings.find_in(Rule::NotDer, Detail::Encoding(fault));
        }
        fields(&mut findings);
        key(&mut findings);
        key_identifiers(&mut findings);
        constraints(&mut findings);
        usage(&mut findings);
        policies(&mut findings);
        names(&mut findings);
        criticality(&mut findings);
    }
    if rules == RuleSet::WebPki {
        webpki::findings(&mut findings);
    }
    findings.found
}

/// 4.1.2.
fn fields(f: &mut Findings<'_, '_>) {
    let view = f.view();
    // Roots that the web trusts have the serial number zero.
    let old_root = f.place == Place::Anchor && f.rules == RuleSet::WebPki;
    f.find(view.serial.is_negative(), Rule::SerialNegative);
    f.find(view.serial.is_zero() && !old_root, Rule::SerialZero);
    f.find(view.serial.as_bytes().len() > 20, Rule::SerialTooLong);
    f.find(view.issuer.is_empty(), Rule::IssuerEmpty);
    f.find(f.is_ca() && view.subject.is_empty(), Rule::CaSubjectEmpty);
    f.find(view.has_unique_ids, Rule::UniqueIds);
    let times = [view.validity.not_before, view.validity.not_after];
    let early = |time: UnixTime| {
        let utc_end = Civil { year: 2050, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
        UnixTime::from_civil(utc_end).is_some_and(|end| time < end)
    };
    f.find(times.iter().any(|time| time.generalized && early(time.at)), Rule::TimeEncoding);
}

/// 4.1.2.7. Nothing verifies under a CA's point that is off its curve; a leaf's verifies nothing here.
fn key(f: &mut Findings<'_, '_>) {
    let spki = &f.view().spki;
    let fault = key_fault(spki);
    let off_curve = || (f.place == Place::Leaf && !is_on_curve(spki)).then_some(KeyFault::OffCurve);
    if let Some(fault) = fault.or_else(off_curve) {
        f.find_in(Rule::KeyMalformed, Detail::Key(fault));
    }
}

/// 4.2.1.1 and 4.2.1.2.
fn key_identifiers(f: &mut Findings<'_, '_>) {
    let known = f.known();
    // In the middle of a path a self-issued certificate is one of key rollover: another key signed it.
    let own = f.place == Place::Anchor || f.place == Place::Leaf && known.is_ca();
    let self_signed = f.certificate.is_self_issued() && own;
    match known.authority_key_id {
        Some(aki) => {
            f.find(aki.critical, Rule::AkiCritical);
            f.find(aki.value.key_id.is_none() && !self_signed, Rule::AkiMissing);
            let (issuer, serial) = (aki.value.cert_issuer, aki.value.cert_serial);
            f.find(issuer.is_some() != serial.is_some(), Rule::AkiIncomplete);
        }
        None => f.find(!self_signed, Rule::AkiMissing),
    }
    match known.subject_key_id {
        Some(ski) => f.find(ski.critical, Rule::SkiCritical),
        None => f.find(f.is_ca(), Rule::SkiMissing),
    }
}

/// 4.2.1.3.
fn usage(f: &mut Findings<'_, '_>) {
    let Some(usage) = f.known().key_usage else {
        f.find(f.is_ca(), Rule::KeyUsageMissing);
        return;
    };
    f.find(usage.value.bits() == 0, Rule::KeyUsageEmpty);
    let signs = usage.value.contains(KeyUsage::KEY_CERT_SIGN);
    f.find(signs && !f.known().is_ca(), Rule::KeyUsageCertSignWithoutCa);
    f.find(!signs && f.place == Place::Anchor, Rule::NoCertSign);
}

/// 4.2.1.9 and 4.2.1.10.
fn constraints(f: &mut Findings<'_, '_>) {
    let known = f.known();
    match known.basic_constraints {
        Some(constraints) => {
            let ca = constraints.value.ca;
            f.find(ca && !constraints.critical, Rule::BasicConstraintsNotCritical);
            f.find(!ca && constraints.value.path_len.is_some(), Rule::PathLenWithoutCa);
            f.find(!ca && f.place == Place::Anchor, Rule::NotCa);
        }
        None => f.find(f.place != Place::Leaf, Rule::BasicConstraintsMissing),
    }
    if let Some(constraints) = known.name_constraints {
        // The Baseline Requirements (7.1.2.5.2) let the extension be not critical.
        let must_be_critical = f.rules == RuleSet::Rfc5280;
        f.find(!known.is_ca(), Rule::NameConstraintsInLeaf);
        f.find(must_be_critical && !constraints.critical, Rule::NameConstraintsNotCritical);
        let empty = constraints.value.permitted.is_none() && constraints.value.excluded.is_none();
        f.find(empty, Rule::NameConstraintsEmpty);
        let lists = [constraints.value.permitted, constraints.value.excluded];
        for subtree in lists.into_iter().flatten().flatten() {
            // "host.example.com": 4.2.1.10 gives a leading dot a meaning for URIs and mailboxes only.
            if matches!(subtree.base, GeneralName::Dns(base) if base.starts_with(b".")) {
                let name = subtree.base.to_string();
                f.find_in(Rule::NameConstraintMalformed, Detail::Name(name));
            }
        }
    }
}

/// 4.2.1.4, 4.2.1.11, 4.2.1.14.
fn policies(f: &mut Findings<'_, '_>) {
    let known = f.known();
    if let Some(policies) = known.policies {
        // More than that are not compared pairwise: the graph's budget refuses them anyway.
        let all: Vec<_> = policies.value.iter().take(256).map(|p| p.policy).collect();
        let repeated = all.iter().enumerate().any(|(at, policy)| all[..at].contains(policy));
        f.find(repeated, Rule::PolicyRepeated);
    }
    if let Some(constraints) = known.policy_constraints {
        f.find(!constraints.critical, Rule::PolicyConstraintsNotCritical);
        let value = constraints.value;
        let empty =
            value.require_explicit_policy.is_none() && value.inhibit_policy_mapping.is_none();
        f.find(empty, Rule::PolicyConstraintsEmpty);
    }
    let inhibit = known.inhibit_any_policy;
    f.find(inhibit.is_some_and(|inhibit| !inhibit.critical), Rule::InhibitAnyPolicyNotCritical);
}

/// 4.1.2.6 and 4.2.1.6.
fn names(f: &mut Findings<'_, '_>) {
    let known = f.known();
    let Some(names) = known.subject_alt_name else {
        f.find(f.view().subject.is_empty() && !f.is_ca(), Rule::SanMissing);
        return;
    };
    f.find(f.view().subject.is_empty() && !names.critical, Rule::SanNotCritical);
    if let Some(bad) = names.value.iter().find(|name| !is_well_formed(name)) {
        f.find_in(Rule::SanMalformed, Detail::Name(bad.to_string()));
    }
}

fn is_well_formed(name: &GeneralName<'_>) -> bool {
    match name {
        GeneralName::Dns(name) => is_dns_pattern(name, DnsSyntax::Preferred),
        GeneralName::Rfc822(mailbox) => split_mailbox(mailbox).is_some(),
        GeneralName::Uri(uri) => is_uri(uri),
        GeneralName::Ip(address) => address.len() == 4 || address.len() == 16,
        GeneralName::Directory(name) => !name.is_empty(),
        _ => true,
    }
}

/// The extensions that must not be critical, and distribution points that say nothing.
fn criticality(f: &mut Findings<'_, '_>) {
    let known = f.known();
    let attributes = known.directory_attributes.is_some_and(|attributes| attributes.critical);
    f.find(attributes, Rule::DirectoryAttributesCritical);
    f.find(known.freshest_crl.is_some_and(|crl| crl.critical), Rule::FreshestCrlCritical);
    let access = [known.authority_info_access, known.subject_info_access];
    f.find(access.iter().flatten().any(|access| access.critical), Rule::InfoAccessCritical);
    let points = known.crl_distribution_points.into_iter().flat_map(|points| points.value);
    let empty = points.into_iter().any(|point| point.name.is_none() && point.crl_issuer.is_none());
    f.find(empty, Rule::DistributionPointEmpty);
}

/// Whether a certificate is of the version that has extensions.
pub(crate) fn is_v3(certificate: &CertificateRef<'_>) -> bool {
    certificate.version == Version::V3
}
