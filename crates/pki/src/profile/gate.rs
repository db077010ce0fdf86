//! The gate: every request for a certificate passes here, whatever way it came in.

use std::sync::Arc;

use super::{Admitted, IssuedBy, Note, Profile, ProfileKind, Refusal, Terms, Validity};
use crate::constraints::IpNetwork;
use crate::fields::{Fields, IssuerFields, Kind, Purpose};
use crate::name::{
    DistinguishedName, DnsName, EmailAddress, Principal, SanKind, SubjectAltName, TrustDomain,
};
use crate::request::{CertificateRequest, Subject};
use crate::role::Role;
use crate::time::UnixTime;

/// The most names in one certificate. A TLS client reads them all: 100 is what public CAs keep to.
pub(crate) const MAX_SANS: usize = 100;

impl Profile {
    /// Judges a request. What is admitted holds only what this profile gives.
    pub fn admit(
        &self,
        mut request: CertificateRequest,
        terms: Terms<'_>,
    ) -> Result<Admitted, Refusal> {
        let mut notes: Vec<Note> =
            request.asked.overridden.iter().cloned().map(Note::Overridden).collect();
        self.admit_key(&request)?;
        self.admit_usage(&request, &mut notes)?;
        let ca = match terms.issued_by {
            IssuedBy::Itself => None,
            IssuedBy::Ca(ca) => Some(ca),
        };
        let issuer = ca.map(|ca| Arc::clone(ca.fields()));
        let not_before = terms.now.plus_seconds(terms.backdate_seconds.max(0).saturating_neg());
        let not_before = issuer.as_deref().map_or(not_before, |i| not_before.max(i.not_before));
        let not_after = self.admit_validity(&terms, issuer.as_deref(), &mut notes)?;
        let trust_domain = ca.and_then(|ca| ca.trust_domain());
        let sans = std::mem::take(&mut request.sans);
        let sans = self.admit_names(request.principal(), sans, trust_domain, &mut notes)?;
        let kind = self.admit_kind(&request.subject, issuer.as_deref())?;
        let issuer =
            issuer.unwrap_or_else(|| Arc::new(own_issuer(&request, not_before, not_after)));
        if let Some(san) = outside_constraints(&sans, request.subject(), &issuer) {
            return Err(Refusal::NameConstraints(san));
        }
        if ca.is_some() && request.subject().matches(&issuer.match_key) {
            return Err(Refusal::SubjectIsIssuer(request.subject().to_string()));
        }
        let status = ca.and_then(|ca| ca.status());
        if ca.is_some() && status.is_none() {
            notes.push(Note::NoStatusAddresses);
        }
        let oid = |dotted: &String| crate::oid::parse_dotted(dotted);
        let (Subject::EndEntity { name, .. } | Subject::Ca { name, .. }) = request.subject;
        let fields = Fields {
            issuer,
            subject: name,
            public_key: request.public_key,
            not_before,
            not_after,
            kind,
            key_usage: self.key_usage,
            extended_key_usage: self.extended_key_usage.clone(),
            sans,
            policies: self.policies.iter().filter_map(oid).collect(),
            crl_distribution_point: status
                .filter(|_| self.crl_distribution_points)
                .map(|status| status.crl.clone()),
            authority_info_access: status
                .filter(|_| self.authority_info_access)
                .map(|status| status.access.clone()),
            ocsp_no_check: self.ocsp_no_check,
        };
        Ok(Admitted { fields, notes })
    }

    /// Judges what of a request for an end entity depends on no CA: its key, its purposes and its
    /// names. What passes is judged once more where there is one, by [`Self::admit`].
    ///
    /// # Errors
    ///
    /// What [`Self::admit`] would refuse whoever issued.
    pub fn judge_alone(&self, request: &CertificateRequest) -> Result<(), Refusal> {
        let mut notes = Vec::new();
        self.admit_key(request)?;
        self.admit_usage(request, &mut notes)?;
        self.admit_names(request.principal(), request.sans.clone(), None, &mut notes)?;
        match self.is_ca() {
            false => Ok(()),
            true => {
                Err(Refusal::WrongKind { profile: self.name.clone(), subject: "an end entity" })
            }
        }
    }

    fn admit_key(&self, request: &CertificateRequest) -> Result<(), Refusal> {
        let key_type = request.public_key.key_type();
        if self.keys.contains(&key_type) {
            return Ok(());
        }
        Err(Refusal::KeyType { profile: self.name.clone(), key_type, allowed: self.keys.clone() })
    }

    /// A purpose beyond the profile's is refused; a usage beyond it is only left out, because
    /// requests made by tools ask for usages that nobody chose.
    fn admit_usage(
        &self,
        request: &CertificateRequest,
        notes: &mut Vec<Note>,
    ) -> Result<(), Refusal> {
        for purpose in &request.asked.extended_key_usage {
            if !self.extended_key_usage.iter().any(|own| own.oid() == purpose.as_slice()) {
                let oid = crate::oid::Oid::from_contents(purpose)
                    .map_or_else(|| "of unknown form".to_owned(), |oid| oid.to_string());
                let known =
                    Purpose::ALL.into_iter().find(|known| known.oid() == purpose.as_slice());
                let oid = known
                    .map_or_else(|| oid.clone(), |known| format!("{} ({oid})", known.as_str()));
                return Err(Refusal::ExtendedKeyUsage { profile: self.name.clone(), oid });
            }
        }
        let narrower = !request.asked.extended_key_usage.is_empty()
            && request.asked.extended_key_usage.len() < self.extended_key_usage.len();
        if narrower {
            let all: Vec<_> = self.extended_key_usage.iter().map(|own| own.as_str()).collect();
            notes.push(Note::Added(format!("extendedKeyUsage {}", all.join(", "))));
        }
        if let Some(asked) = request.asked.key_usage
            && asked & !self.key_usage != 0
        {
            notes.push(Note::Overridden("keyUsage beyond the profile's".to_owned()));
        }
        Ok(())
    }

    fn admit_validity(
        &self,
        terms: &Terms<'_>,
        issuer: Option<&IssuerFields>,
        notes: &mut Vec<Note>,
    ) -> Result<UnixTime, Refusal> {
        if let Some(issuer) = issuer {
            if terms.now > issuer.not_after {
                return Err(Refusal::IssuerExpired(issuer.not_after));
            }
            if terms.now < issuer.not_before {
                return Err(Refusal::IssuerNotYetValid(issuer.not_before));
            }
        }
        match terms.validity {
            Validity::Days(days) => self.admit_days(days, terms.now, issuer),
            Validity::Default => {
                let default = terms.now.plus_days(i64::from(self.validity_days));
                if default > UnixTime::MAX {
                    return Err(Refusal::ValidityBeyondCalendar(i64::from(self.validity_days)));
                }
                let Some(issuer) = issuer.filter(|issuer| issuer.not_after < default) else {
                    return Ok(default);
                };
                let left = issuer.not_after.seconds() - terms.now.seconds();
                if left < i64::from(self.validity_days) * crate::time::DAY / 2 {
                    let days = self.validity_days;
                    return Err(Refusal::IssuerEndsTooSoon { issuer: issuer.not_after, days });
                }
                let not_after = issuer.not_after;
                notes.push(Note::ShortenedToIssuer { default, not_after });
                Ok(not_after)
            }
        }
    }

    fn admit_days(
        &self,
        days: i64,
        now: UnixTime,
        issuer: Option<&IssuerFields>,
    ) -> Result<UnixTime, Refusal> {
        if days <= 0 {
            return Err(Refusal::ValidityNotPositive(days));
        }
        if let Some(most) = self.max_validity_days.filter(|most| days > i64::from(*most)) {
            return Err(Refusal::ValidityBeyondProfile { profile: self.name.clone(), days, most });
        }
        let not_after = now.plus_days(days);
        if not_after > UnixTime::MAX {
            return Err(Refusal::ValidityBeyondCalendar(days));
        }
        match issuer {
            Some(issuer) if not_after > issuer.not_after => {
                Err(Refusal::ValidityBeyondIssuer { not_after, issuer: issuer.not_after })
            }
            _ => Ok(not_after),
        }
    }

    fn admit_kind(
        &self,
        subject: &Subject,
        issuer: Option<&IssuerFields>,
    ) -> Result<Kind, Refusal> {
        let wrong = |subject| Refusal::WrongKind { profile: self.name.clone(), subject };
        match (&self.kind, subject, issuer) {
            (ProfileKind::EndEntity(role), Subject::EndEntity { .. }, Some(_)) => {
                Ok(Kind::EndEntity { role: Some(*role) })
            }
            (ProfileKind::OcspResponder, Subject::EndEntity { .. }, Some(_)) => {
                Ok(Kind::EndEntity { role: None })
            }
            (
                ProfileKind::RootCa { path_len },
                Subject::Ca { path_len: asked, constraints, .. },
                None,
            ) => Ok(Kind::Ca { path_len: asked.or(*path_len), constraints: constraints.clone() }),
            (
                ProfileKind::IntermediateCa { path_len, constraints: own },
                Subject::Ca { path_len: asked, constraints, .. },
                Some(issuer),
            ) => {
                let path_len = asked.or(*path_len);
                if let Some(left) = issuer.path_len
                    && path_len.is_none_or(|own| own >= left)
                {
                    return Err(Refusal::PathLength { issuer: issuer.shown(), limit: left });
                }
                let constraints =
                    own.narrowed_by(constraints.clone()).map_err(Refusal::WiderConstraints)?;
                for above in &issuer.constraints {
                    above.narrowed_by(constraints.clone()).map_err(Refusal::WiderConstraints)?;
                }
                Ok(Kind::Ca { path_len, constraints })
            }
            (_, Subject::Ca { .. }, None) => Err(wrong("a root CA")),
            (_, Subject::Ca { .. }, Some(_)) => Err(wrong("an intermediate CA")),
            (_, Subject::EndEntity { .. }, _) => Err(wrong("an end entity")),
        }
    }

    fn admit_names(
        &self,
        principal: Option<&Principal>,
        mut sans: Vec<SubjectAltName>,
        trust_domain: Option<&TrustDomain>,
        notes: &mut Vec<Note>,
    ) -> Result<Vec<SubjectAltName>, Refusal> {
        let Some(principal) = principal else { return Ok(Vec::new()) };
        self.admit_principal(principal)?;
        if sans.len() > MAX_SANS {
            return Err(Refusal::TooManySans(sans.len()));
        }
        for (index, san) in sans.iter().enumerate() {
            if sans[..index].contains(san) {
                return Err(Refusal::SanTwice(san.clone()));
            }
            self.admit_san(san)?;
        }
        if let Some(san) = self.san_from_principal(principal, &sans)? {
            notes.push(Note::SanFromPrincipal(san.clone()));
            sans.push(san);
        }
        if let Some(role) = self.role() {
            sans.extend(identity(trust_domain, role, principal));
        }
        let mut uris = sans.iter().filter(|san| san.kind() == SanKind::Uri);
        if let (Some(first), Some(second)) = (uris.next(), uris.next()) {
            return Err(Refusal::SecondUri(first.clone(), second.clone()));
        }
        Ok(sans)
    }

    fn admit_principal(&self, principal: &Principal) -> Result<(), Refusal> {
        let patterns = &self.principal_patterns;
        if patterns.is_empty() || patterns.iter().any(|p| matches(p, principal.as_str())) {
            return Ok(());
        }
        Err(Refusal::Principal {
            profile: self.name.clone(),
            principal: principal.to_string(),
            patterns: patterns.clone(),
        })
    }

    fn admit_san(&self, san: &SubjectAltName) -> Result<(), Refusal> {
        // Whatever trust domain it names, and however it is spelt: an identity is not asked for.
        if let SubjectAltName::Uri(uri) = san
            && uri.is_spiffe()
        {
            return Err(Refusal::SpiffeIdAsked(san.clone()));
        }
        let profile = || self.name.clone();
        if !self.san.contains(&san.kind()) {
            let allowed = self.san.clone();
            return Err(Refusal::SanKind { profile: profile(), san: san.clone(), allowed });
        }
        if let SubjectAltName::Dns(name) = san
            && name.is_wildcard()
            && !self.extended_key_usage.contains(&Purpose::ServerAuth)
        {
            return Err(Refusal::WildcardWithoutServer(san.clone()));
        }
        match self.san_patterns.get(&san.kind()) {
            Some(patterns) if !patterns.iter().any(|pattern| san_matches(pattern, san)) => {
                let patterns = patterns.clone();
                Err(Refusal::SanPattern { profile: profile(), san: san.clone(), patterns })
            }
            _ => Ok(()),
        }
    }

    /// The name that the principal becomes where none is given: for a server it must, for a client
    /// only an e-mail address does.
    fn san_from_principal(
        &self,
        principal: &Principal,
        given: &[SubjectAltName],
    ) -> Result<Option<SubjectAltName>, Refusal> {
        let text = principal.as_str();
        let is_host = |san: &SubjectAltName| matches!(san.kind(), SanKind::Dns | SanKind::Ip);
        let san = if self.is_server() {
            if given.iter().any(is_host) {
                return Ok(None);
            }
            // A colon in a principal is no prefix here: only the bare forms count.
            let host = text
                .parse()
                .map(SubjectAltName::Ip)
                .or_else(|_| DnsName::parse(text).map(SubjectAltName::Dns));
            let takes = |san: &SubjectAltName| self.san.contains(&san.kind());
            host.ok().filter(takes).ok_or_else(|| Refusal::ServerWithoutName {
                profile: self.name.clone(),
                principal: text.to_owned(),
                described: SubjectAltName::parse(text)
                    .map_or("neither", |san| san.kind().described()),
            })?
        } else {
            match EmailAddress::parse(text).map(SubjectAltName::Email) {
                Ok(email) if given.is_empty() && self.san.contains(&SanKind::Email) => email,
                _ => return Ok(None),
            }
        };
        self.admit_san(&san).map(|()| Some(san))
    }
}

fn identity(
    trust_domain: Option<&TrustDomain>,
    role: Role,
    principal: &Principal,
) -> Option<SubjectAltName> {
    trust_domain?.spiffe_id(role, principal).map(SubjectAltName::Uri)
}

/// A root's issuer is itself.
fn own_issuer(
    request: &CertificateRequest,
    not_before: UnixTime,
    not_after: UnixTime,
) -> IssuerFields {
    IssuerFields {
        name: request.subject().to_der(),
        key_id: request.public_key.key_id().to_vec(),
        key_type: request.public_key.key_type(),
        not_before,
        not_after,
        path_len: None,
        constraints: Vec::new(),
        match_key: String::new(),
    }
}

/// A name that an issuer's constraints do not allow. Without a DNS name among the SANs, a common name
/// that reads as one counts: OpenSSL holds it to the DNS constraints.
fn outside_constraints(
    sans: &[SubjectAltName],
    subject: &DistinguishedName,
    issuer: &IssuerFields,
) -> Option<SubjectAltName> {
    if issuer.constraints.is_empty() {
        return None;
    }
    let has_dns = sans.iter().any(|san| san.kind() == SanKind::Dns);
    let common_name = subject
        .common_name()
        .filter(|name| !has_dns && name.contains('.'))
        .and_then(|name| DnsName::parse(name).ok())
        .map(SubjectAltName::Dns);
    let allowed = |san: &SubjectAltName| issuer.constraints.iter().all(|c| c.allow(san));
    sans.iter().cloned().chain(common_name).find(|san| !allowed(san))
}

fn san_matches(pattern: &str, san: &SubjectAltName) -> bool {
    match san {
        SubjectAltName::Ip(address) => {
            IpNetwork::parse(pattern).is_some_and(|network| network.contains(*address))
                || pattern.parse() == Ok(*address)
        }
        other => matches(pattern, &other.value()),
    }
}

/// `*` stands for any run of characters, every other character for itself.
///
/// Each `*` is tried at its first fit only, which is enough for globs without other wildcards, so the
/// work is bounded by the product of both lengths.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "x"),
            ("a*", "a"),
            ("*.b", "a.b"),
            ("a*b*c", "axxbyyc"),
            ("a", "a"),
            ("*a*", "bab"),
            ("a*a", "aa"),
            ("*ab", "aab"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "b"), ("a*", "b"), ("a*a", "a"), ("*.b", "b"), ("", "x"), ("a*b*c", "acb")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
