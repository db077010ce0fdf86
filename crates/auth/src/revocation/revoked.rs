//! The serial numbers that a list revokes, by their issuer.

use std::collections::HashMap;

use rustmq_pki::der::tag;
use rustmq_pki::read::{CrlEntry, GeneralName, NameRef, RevocationReason};

use super::{CrlError, SerialSet};
use crate::path::names::comparable_name;

/// What a list revokes.
#[derive(Debug)]
pub(super) struct Revoked {
    /// What the signer of the list issued.
    own: SerialSet,
    /// What others issued; of an indirect list only.
    others: Option<Box<Others>>,
}

/// The entries of an indirect list that name their issuer.
#[derive(Debug)]
struct Others {
    /// The serial numbers of all issuers, so that most questions end without a look at names.
    any: SerialSet,
    /// By the issuer's name in a form that all spellings of it share.
    by_issuer: HashMap<Box<[u8]>, SerialSet>,
}

/// A serial number and a reason.
type Entry<'a> = (&'a [u8], RevocationReason);

/// The most names that an entry may give its issuer: each serial number is entered under each. A CA has
/// one name, and rarely another beside it.
const MOST_NAMES: usize = 16;

/// Collects the entries of a list.
#[derive(Default)]
pub(super) struct Reading<'a> {
    own: Vec<Entry<'a>>,
    others: Vec<(Box<[u8]>, Vec<Entry<'a>>)>,
    /// Where in `others` an issuer is: by its name as it is spelled, which is quick to look up, and by
    /// the form that all spellings share.
    by_spelling: HashMap<&'a [u8], usize>,
    by_name: HashMap<Box<[u8]>, usize>,
    /// The issuers of the entry before, which are those of the next where it names none; empty for the
    /// signer of the list.
    current: Vec<usize>,
}

impl<'a> Reading<'a> {
    /// Takes the next entry.
    pub(super) fn take(&mut self, entry: &CrlEntry<'a>) -> Result<(), CrlError> {
        if let Some(issuers) = issuers_of(entry)? {
            self.current = issuers.into_iter().map(|issuer| self.position(issuer)).collect();
            self.current.sort_unstable();
            self.current.dedup();
        }
        let reason = entry.reason.unwrap_or(RevocationReason::Unspecified);
        let entry = (entry.serial.as_bytes(), reason);
        if self.current.is_empty() {
            self.own.push(entry);
        }
        self.current.iter().for_each(|at| self.others[*at].1.push(entry));
        Ok(())
    }

    fn position(&mut self, issuer: NameRef<'a>) -> usize {
        if let Some(at) = self.by_spelling.get(issuer.der) {
            return *at;
        }
        let name = comparable_name(&issuer);
        let at = *self.by_name.entry(name.clone()).or_insert(self.others.len());
        if at == self.others.len() {
            self.others.push((name, Vec::new()));
        }
        self.by_spelling.insert(issuer.der, at);
        at
    }

    /// All of them.
    pub(super) fn finish(self) -> Revoked {
        let others = (!self.others.is_empty()).then(|| {
            let all = self.others.iter().flat_map(|(_, entries)| entries.iter().copied());
            let any = SerialSet::new(all);
            let sets = self.others.into_iter();
            let by_issuer = sets.map(|(name, entries)| (name, SerialSet::new(entries))).collect();
            Box::new(Others { any, by_issuer })
        });
        Revoked { own: SerialSet::new(self.own), others }
    }
}

/// The names of the issuer that an entry of an indirect CRL gives for itself and those that follow: that
/// of the issuer field, and those that stand beside it in issuerAltName (RFC 5280 5.3.3).
fn issuers_of<'a>(entry: &CrlEntry<'a>) -> Result<Option<Vec<NameRef<'a>>>, CrlError> {
    let Some(names) = entry.certificate_issuer else { return Ok(None) };
    let directory = |name| match name {
        GeneralName::Directory(name) if name.der.first() == Some(&tag::SEQUENCE) => Some(name),
        _ => None,
    };
    let issuers: Vec<_> = names.iter().filter_map(directory).take(MOST_NAMES + 1).collect();
    match issuers.len() {
        0 => Err(CrlError::CertificateIssuer),
        found if found > MOST_NAMES => Err(CrlError::ManyIssuerNames),
        _ => Ok(Some(issuers)),
    }
}

impl Revoked {
    /// How many certificates are revoked; one whose issuer has two names counts for each.
    pub(super) fn len(&self) -> usize {
        let sets = self.others.iter().flat_map(|others| others.by_issuer.values());
        self.own.len() + sets.map(SerialSet::len).sum::<usize>()
    }

    /// Whether this serial number is revoked, of whichever issuer.
    pub(super) fn lists(&self, serial: &[u8]) -> bool {
        let others = self.others.as_ref();
        self.own.find(serial).is_some() || others.is_some_and(|o| o.any.find(serial).is_some())
    }

    /// Why the certificate with this issuer and serial number is revoked, if it is; `is_own` says
    /// whether the issuer is the signer of the list.
    pub(super) fn find(
        &self,
        issuer: &NameRef<'_>,
        serial: &[u8],
        is_own: impl Fn() -> bool,
    ) -> Option<RevocationReason> {
        let own = self.own.find(serial).filter(|_| is_own());
        let others = self.others.as_ref().filter(|others| others.any.find(serial).is_some());
        let named = others.and_then(|others| {
            others.by_issuer.get(&comparable_name(issuer)).and_then(|set| set.find(serial))
        });
        // The signer may be named as an issuer, too: what revokes counts.
        let found = [own, named].into_iter().flatten();
        found.max_by_key(|reason| *reason != RevocationReason::RemoveFromCrl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustmq_pki::der::constructed;
    use rustmq_pki::oid;
    use rustmq_pki::read::CrlRef;

    fn name(common_name: &str) -> Vec<u8> {
        let oid = constructed(tag::OID, &[oid::COMMON_NAME]);
        let value = constructed(tag::UTF8_STRING, &[common_name.as_bytes()]);
        let attribute = constructed(tag::SEQUENCE, &[&oid, &value]);
        constructed(tag::SEQUENCE, &[&constructed(tag::SET, &[&attribute])])
    }

    /// An entry whose certificateIssuer has these common names; none: it has no such extension.
    fn entry(serial: u32, reason: u8, issuers: &[String]) -> Vec<u8> {
        let extension = |oid: &[u8], value: &[u8]| {
            let oid = constructed(tag::OID, &[oid]);
            constructed(tag::SEQUENCE, &[&oid, &constructed(tag::OCTET_STRING, &[value])])
        };
        let names: Vec<u8> = issuers.iter().flat_map(|i| constructed(0xa4, &[&name(i)])).collect();
        let mut extensions = extension(oid::REASON_CODE, &[0x0a, 1, reason]);
        if !issuers.is_empty() {
            let names = constructed(tag::SEQUENCE, &[&names]);
            extensions.extend(extension(oid::CERTIFICATE_ISSUER, &names));
        }
        let serial = constructed(tag::INTEGER, &[&[1], &serial.to_be_bytes()]);
        let time = constructed(tag::UTC_TIME, &[b"260101000000Z"]);
        let extensions = constructed(tag::SEQUENCE, &[&extensions]);
        constructed(tag::SEQUENCE, &[&serial, &time, &extensions])
    }

    fn read(entries: &[Vec<u8>]) -> Result<Revoked, CrlError> {
        let algorithm = constructed(tag::SEQUENCE, &[&constructed(tag::OID, &[oid::ED25519])]);
        let time = constructed(tag::UTC_TIME, &[b"260101000000Z"]);
        let entries = constructed(tag::SEQUENCE, &[&entries.concat()]);
        let fields: [&[u8]; 5] = [&[2, 1, 1], &algorithm, &name("Signer"), &time, &entries];
        let tbs = constructed(tag::SEQUENCE, &fields);
        let signature = constructed(tag::BIT_STRING, &[&[0]]);
        let der = constructed(tag::SEQUENCE, &[&tbs, &algorithm, &signature]);
        let crl = CrlRef::read(&der)?;
        let mut reading = Reading::default();
        crl.entries().try_for_each(|entry| reading.take(&entry?))?;
        Ok(reading.finish())
    }

    /// Why a certificate of the issuer with this common name is revoked.
    fn find(revoked: &Revoked, issuer: &str, serial: u32) -> Option<RevocationReason> {
        let der = name(issuer);
        let serial = [&[1][..], &serial.to_be_bytes()].concat();
        let found = revoked.find(&NameRef::from_der(&der).unwrap(), &serial, || issuer == "Signer");
        assert!(found.is_none() || revoked.lists(&serial));
        found
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_issuer_is_found_however_it_is_spelled() {
        let revoked = read(&[
            entry(1, 1, &[]),
            entry(2, 1, &names(&["Alpha", "Beta"])),
            entry(3, 1, &[]),
            entry(4, 1, &names(&["  ALPHA "])),
            entry(4, 8, &names(&["alpha"])),
            entry(5, 1, &names(&["signer"])),
        ]);
        let revoked = revoked.unwrap();
        let compromised = Some(RevocationReason::KeyCompromise);
        assert_eq!(find(&revoked, "Signer", 1), compromised);
        assert_eq!(find(&revoked, "Signer", 5), compromised);
        assert_eq!(find(&revoked, "alpha", 1), None);
        for (issuer, serial) in [("alpha", 2), ("BETA", 2), ("Beta", 3), ("Alpha", 3), ("Alpha", 4)]
        {
            assert_eq!(find(&revoked, issuer, serial), compromised, "{issuer} {serial}");
        }
        assert_eq!(find(&revoked, "Beta", 4), None);
        assert_eq!(find(&revoked, "Signer", 2), None);
        // Each name of the issuer of two counts.
        assert_eq!(revoked.len(), 1 + 4 + 1 + 1);
    }

    #[test]
    fn as_many_issuers_as_entries() {
        let issuer = |number: u32| format!("Issuer {number:06}");
        let revoked: Vec<_> = (0..40_000).map(|n| entry(n, 1, &[issuer(n)])).collect();
        let revoked = read(&revoked).unwrap();
        for number in (0..40_000).step_by(97) {
            assert!(find(&revoked, &issuer(number), number).is_some());
            assert_eq!(find(&revoked, &issuer(number + 1), number), None);
        }
    }

    #[test]
    fn an_issuer_has_a_handful_of_names() {
        let many = |count| (0..count).map(|n| format!("Name {n}")).collect::<Vec<_>>();
        assert!(read(&[entry(1, 1, &many(16))]).is_ok());
        assert_eq!(read(&[entry(1, 1, &many(17))]).unwrap_err(), CrlError::ManyIssuerNames);
    }
}
