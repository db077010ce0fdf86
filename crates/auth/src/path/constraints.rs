//! Name constraints (RFC 5280 4.2.1.10, 6.1.3 (b) and (c), 6.1.4 (g)).

use std::mem::discriminant;

use rustmq_pki::der::List;
use rustmq_pki::oid;
use rustmq_pki::read::{GeneralName, GeneralSubtree, Known, NameConstraints, NameRef};

use super::names::{
    DnsSyntax, Lies, is_dns_name, is_dns_pattern, is_uri, split_mailbox, split_wildcard, unquoted,
    uri_host, within_directory,
};
use crate::budget::{Budget, Work};
use crate::certificate::Certificate;
use crate::error::{Detail, Refusal, Rule, clipped};

/// The constraints of the CAs above a certificate. To lie within the permitted subtrees of each of
/// them is to lie within their intersection.
#[derive(Default)]
pub(crate) struct Constraints<'a> {
    in_force: Vec<InForce<'a>>,
}

/// The constraints of one CA, read once for all names that they are compared with.
struct InForce<'a> {
    critical: bool,
    permitted: Vec<GeneralName<'a>>,
    excluded: Vec<GeneralName<'a>>,
}

impl<'a> Constraints<'a> {
    /// Adds the constraints of a CA to those in force below it.
    pub(crate) fn add(
        &mut self,
        constraints: Known<NameConstraints<'a>>,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        let NameConstraints { permitted, excluded, .. } = constraints.value;
        let mut read = |subtrees: Option<List<'a, GeneralSubtree<'a>>>| {
            let read_one = |subtree: GeneralSubtree<'a>| {
                budget.spend(Work::Names, reading(&subtree.base))?;
                check_subtree(&subtree)?;
                Ok(subtree.base)
            };
            subtrees.into_iter().flatten().map(read_one).collect::<Result<Vec<_>, Refusal>>()
        };
        let (permitted, excluded) = (read(permitted)?, read(excluded)?);
        self.in_force.push(InForce { critical: constraints.critical, permitted, excluded });
        Ok(())
    }

    /// Checks every name of a certificate.
    pub(crate) fn check(
        &self,
        certificate: &Certificate<'_>,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        if self.in_force.is_empty() {
            return Ok(());
        }
        let subject = certificate.view.subject;
        if !subject.is_empty() {
            self.check_name(&GeneralName::Directory(subject), budget)?;
        }
        match certificate.known.subject_alt_name {
            Some(names) => names.value.iter().try_for_each(|name| self.check_name(&name, budget)),
            None => self.check_subject_mailboxes(&subject, budget),
        }
    }

    /// Without subjectAltName, constraints on mailboxes hold for emailAddress in the subject.
    fn check_subject_mailboxes(
        &self,
        subject: &NameRef<'_>,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        subject
            .values_of(oid::EMAIL_ADDRESS)
            .try_for_each(|email| self.check_name(&GeneralName::Rfc822(email.value), budget))
    }

    fn check_name(&self, name: &GeneralName<'_>, budget: &mut Budget) -> Result<(), Refusal> {
        budget.spend(Work::Names, reading(name))?;
        let presented = Presented::of(name);
        for constraints in &self.in_force {
            let refuse = |rule| Refusal::new(rule, Detail::Name(clipped(name)));
            for base in &constraints.excluded {
                match compare(&presented, base, Side::Excluded, budget)? {
                    Verdict::Within => return Err(refuse(Rule::NameExcluded)),
                    other => other.require_known(constraints.critical, name)?,
                }
            }
            let mut limited = false;
            let mut permitted = false;
            for base in &constraints.permitted {
                let verdict = compare(&presented, base, Side::Permitted, budget)?;
                verdict.require_known(constraints.critical, name)?;
                limited |= matches!(verdict, Verdict::Within | Verdict::Outside);
                permitted |= verdict == Verdict::Within;
            }
            if limited && !permitted {
                return Err(refuse(Rule::NameNotPermitted));
            }
        }
        Ok(())
    }
}

/// RFC 5280 uses no minimum but 0 and no maximum; and a base must be of its form.
fn check_subtree(subtree: &GeneralSubtree<'_>) -> Result<(), Refusal> {
    // An empty name is the top of its form's whole space, as everyone reads it.
    let well_formed = match subtree.base {
        GeneralName::Ip(range) => is_ip_range(range),
        GeneralName::Dns(base) => {
            base.is_empty()
                || is_dns_name(base.strip_prefix(b".").unwrap_or(base), DnsSyntax::Lenient)
        }
        GeneralName::Rfc822(base) => base.is_empty() || is_mailbox_base(base),
        GeneralName::Uri(base) => base.is_empty() || is_host_base(base),
        _ => true,
    };
    if well_formed && !subtree.has_distance {
        return Ok(());
    }
    Err(Refusal::new(Rule::NameConstraintMalformed, Detail::Name(clipped(subtree.base))))
}

/// A host, or `.domain` for every host below it.
fn is_host_base(base: &[u8]) -> bool {
    is_dns_name(base.strip_prefix(b".").unwrap_or(base), DnsSyntax::Lenient)
}

fn is_mailbox_base(base: &[u8]) -> bool {
    if base.contains(&b'@') { split_mailbox(base).is_some() } else { is_host_base(base) }
}

/// An address and a mask of ones before zeros (RFC 4632), for IPv4 or IPv6.
fn is_ip_range(range: &[u8]) -> bool {
    if range.len() != 8 && range.len() != 32 {
        return false;
    }
    let mask = &range[range.len() / 2..];
    let ones: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
    let mut leading = 0;
    for octet in mask {
        leading += octet.leading_ones();
        if *octet != 0xff {
            break;
        }
    }
    ones == leading
}

/// Which list a subtree is from: a wildcard may match inside of an excluded subtree without lying
/// wholly in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Permitted,
    Excluded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Name and subtree are of different forms.
    OtherForm,
    Within,
    Outside,
    /// The name is not one of its form, so that nobody can say where it lies.
    Malformed,
    /// The form is not known here.
    Unknown,
}

impl Verdict {
    fn require_known(self, critical: bool, name: &GeneralName<'_>) -> Result<(), Refusal> {
        let refuse = |rule| Err(Refusal::new(rule, Detail::Name(clipped(name))));
        match self {
            Self::Malformed => refuse(Rule::NameMalformed),
            Self::Unknown if critical => refuse(Rule::NameConstraintUnsupported),
            _ => Ok(()),
        }
    }
}

fn within(yes: bool) -> Verdict {
    if yes { Verdict::Within } else { Verdict::Outside }
}

/// What reading a name counts for, in comparisons of short names, some 20 ns: an attribute of a
/// directory name has 11 octets at least and takes as long, text is looked at octet by octet.
const fn reading(name: &GeneralName<'_>) -> usize {
    1 + match name {
        GeneralName::Directory(name) => name.der.len() / 8,
        GeneralName::Rfc822(text) | GeneralName::Dns(text) | GeneralName::Uri(text) => {
            text.len() / 16
        }
        GeneralName::Other { kind, .. } | GeneralName::RegisteredId(kind) => {
            kind.as_bytes().len() / 16
        }
        GeneralName::X400(_) | GeneralName::EdiParty(_) | GeneralName::Ip(_) => 0,
    }
}

/// A name of a certificate, taken apart once for all constraints.
enum Presented<'n> {
    /// Whether it begins with a wildcard, and what follows.
    Dns(bool, &'n [u8]),
    Ip(&'n [u8]),
    /// Local part and host.
    Mailbox(&'n [u8], &'n [u8]),
    /// The host.
    Uri(&'n [u8]),
    Directory(NameRef<'n>),
    /// A form that nothing is known of but its name.
    Other(GeneralName<'n>),
    /// Not a name of its form.
    Malformed(GeneralName<'n>),
}

impl<'n> Presented<'n> {
    fn of(name: &GeneralName<'n>) -> Self {
        let well_formed = match *name {
            GeneralName::Dns(pattern) => is_dns_pattern(pattern, DnsSyntax::Lenient).then(|| {
                let (wildcard, rest) = split_wildcard(pattern);
                Self::Dns(wildcard, rest)
            }),
            GeneralName::Ip(address) => {
                matches!(address.len(), 4 | 16).then_some(Self::Ip(address))
            }
            GeneralName::Rfc822(mailbox) => {
                split_mailbox(mailbox).map(|(local, host)| Self::Mailbox(local, host))
            }
            // A URI without a host name cannot be judged, nor can what is no URI: other readers may see
            // another host in it. Both are refused where URIs are constrained.
            GeneralName::Uri(uri) => uri_host(uri)
                .filter(|host| is_uri(uri) && is_dns_name(host, DnsSyntax::Lenient))
                .map(Self::Uri),
            GeneralName::Directory(name) => Some(Self::Directory(name)),
            other => Some(Self::Other(other)),
        };
        well_formed.unwrap_or(Self::Malformed(*name))
    }
}

fn compare(
    name: &Presented<'_>,
    base: &GeneralName<'_>,
    side: Side,
    budget: &mut Budget,
) -> Result<Verdict, Refusal> {
    budget.spend(Work::Names, comparing(base))?;
    Ok(match (name, base) {
        (Presented::Dns(wildcard, rest), GeneralName::Dns(base)) => {
            within(dns_in(*wildcard, rest, base, side))
        }
        (Presented::Ip(address), GeneralName::Ip(range)) => within(ip_in(address, range)),
        (Presented::Mailbox(local, host), GeneralName::Rfc822(base)) => {
            within(mailbox_in(local, host, base, side))
        }
        (Presented::Uri(host), GeneralName::Uri(base)) => within(host_in(host, base)),
        (Presented::Directory(name), GeneralName::Directory(base)) => {
            match within_directory(name, base, budget)? {
                Lies::Within => Verdict::Within,
                // Another reader may see the excluded name in it.
                Lies::Unclear if side == Side::Excluded => Verdict::Malformed,
                Lies::Unclear | Lies::Outside => Verdict::Outside,
            }
        }
        (Presented::Malformed(name), base) if discriminant(name) == discriminant(base) => {
            Verdict::Malformed
        }
        // RFC 9598 6: a constraint on mailboxes holds for internationalised ones too.
        (Presented::Other(GeneralName::Other { kind, .. }), GeneralName::Rfc822(_))
            if *kind == oid::SMTP_UTF8_MAILBOX =>
        {
            Verdict::Unknown
        }
        (
            Presented::Other(GeneralName::Other { kind, .. }),
            GeneralName::Other { kind: base, .. },
        ) if kind != base => Verdict::OtherForm,
        (Presented::Other(name), base) if discriminant(name) == discriminant(base) => {
            Verdict::Unknown
        }
        _ => Verdict::OtherForm,
    })
}

/// What a comparison with a base counts for beside a walk over directory names: a mailbox is taken
/// apart again, of other text the end is compared.
const fn comparing(base: &GeneralName<'_>) -> usize {
    1 + match base {
        GeneralName::Rfc822(mailbox) => mailbox.len() / 32,
        GeneralName::Dns(text) | GeneralName::Uri(text) => text.len() / 64,
        _ => 0,
    }
}

/// Zero or more labels may be added on the left of the base; with a leading dot, one or more.
fn dns_in(wildcard: bool, rest: &[u8], base: &[u8], side: Side) -> bool {
    if wildcard {
        // `*.rest` stands for names one label below `rest`.
        return in_domain(rest, base.strip_prefix(b".").unwrap_or(base))
            || (side == Side::Excluded && overlaps(rest, base));
    }
    match base.strip_prefix(b".") {
        Some(domain) => in_domain(rest, domain) && rest.len() > domain.len(),
        None => in_domain(rest, base),
    }
}

/// Whether some name that `*.rest` stands for is the base: the base without its first label is
/// `rest`.
fn overlaps(rest: &[u8], base: &[u8]) -> bool {
    let first = base.iter().position(|byte| *byte == b'.');
    first.is_some_and(|dot| dot > 0 && base[dot + 1..].eq_ignore_ascii_case(rest))
}

/// Whether `name` is `domain` or below it; everything is below the empty domain.
fn in_domain(name: &[u8], domain: &[u8]) -> bool {
    if domain.is_empty() {
        return true;
    }
    let Some(start) = name.len().checked_sub(domain.len()) else { return false };
    name[start..].eq_ignore_ascii_case(domain) && (start == 0 || name[start - 1] == b'.')
}

fn ip_in(address: &[u8], range: &[u8]) -> bool {
    let (base, mask) = range.split_at(range.len() / 2);
    let same = |((address, base), mask): ((&u8, &u8), &u8)| address & mask == base & mask;
    address.len() == base.len() && address.iter().zip(base).zip(mask).all(same)
}

/// `host` is that host alone, `.domain` every host below it, `local@host` one mailbox. It is excluded
/// however its local part is quoted, and permitted as it is written only: who reads the parts
/// literally must not find another mailbox in it.
fn mailbox_in(local: &[u8], host: &[u8], base: &[u8], side: Side) -> bool {
    let Some((base_local, base_host)) = split_mailbox(base) else { return host_in(host, base) };
    let same = match side {
        Side::Permitted => local == base_local,
        Side::Excluded => unquoted(local).eq(unquoted(base_local)),
    };
    same && host.eq_ignore_ascii_case(base_host)
}

fn host_in(host: &[u8], base: &[u8]) -> bool {
    match base.strip_prefix(b".") {
        Some(domain) => in_domain(host, domain) && host.len() > domain.len(),
        None => base.is_empty() || host.eq_ignore_ascii_case(base),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(name: &GeneralName<'_>, base: &GeneralName<'_>, side: Side) -> Verdict {
        compare(&Presented::of(name), base, side, &mut Budget::full()).unwrap()
    }

    fn dns_verdict(name: &str, base: &str, side: Side) -> Verdict {
        let [name, base] = [name, base].map(|text| GeneralName::Dns(text.as_bytes()));
        verdict(&name, &base, side)
    }

    fn mailbox_verdict(name: &str, base: &str, side: Side) -> Verdict {
        let [name, base] = [name, base].map(|text| GeneralName::Rfc822(text.as_bytes()));
        verdict(&name, &base, side)
    }

    fn uri_verdict(name: &str, base: &str) -> Verdict {
        let [name, base] = [name, base].map(|text| GeneralName::Uri(text.as_bytes()));
        verdict(&name, &base, Side::Permitted)
    }

    #[test]
    fn dns_subtrees() {
        let permitted = |name, base| dns_verdict(name, base, Side::Permitted);
        assert_eq!(permitted("a.b.Example.com", "example.COM"), Verdict::Within);
        assert_eq!(permitted("example.com", "example.com"), Verdict::Within);
        assert_eq!(permitted("example.com", ".example.com"), Verdict::Outside);
        assert_eq!(permitted("badexample.com", "example.com"), Verdict::Outside);
        assert_eq!(permitted("anything", ""), Verdict::Within);
        assert_eq!(permitted(".example.com", "example.com"), Verdict::Malformed);
        assert_eq!(permitted("*.example.com", "example.com"), Verdict::Within);
        assert_eq!(permitted("*.example.com", ".example.com"), Verdict::Within);
        assert_eq!(permitted("*.example.com", "a.example.com"), Verdict::Outside);
    }

    #[test]
    fn a_wildcard_that_may_match_an_excluded_name_is_excluded() {
        let excluded = |name, base| dns_verdict(name, base, Side::Excluded);
        assert_eq!(excluded("*.example.com", "a.example.com"), Verdict::Within);
        assert_eq!(excluded("*.example.com", "a.b.example.com"), Verdict::Outside);
        assert_eq!(excluded("*.example.com", "example.com"), Verdict::Within);
        assert_eq!(excluded("b.example.com", "a.example.com"), Verdict::Outside);
    }

    #[test]
    fn addresses_and_masks() {
        let range = [192, 0, 2, 0, 255, 255, 255, 0];
        let ip = |address: &[u8], range: &[u8]| {
            verdict(&GeneralName::Ip(address), &GeneralName::Ip(range), Side::Permitted)
        };
        assert_eq!(ip(&[192, 0, 2, 7], &range), Verdict::Within);
        assert_eq!(ip(&[192, 0, 3, 7], &range), Verdict::Outside);
        assert_eq!(ip(&[0; 16], &range), Verdict::Outside);
        assert_eq!(ip(&[0; 5], &range), Verdict::Malformed);
        assert!(is_ip_range(&range) && is_ip_range(&[0; 8]) && is_ip_range(&[255; 32]));
        assert!(!is_ip_range(&[0; 4]));
        assert!(!is_ip_range(&[0, 0, 0, 0, 255, 0, 255, 0]));
        assert!(!is_ip_range(&[0, 0, 0, 0, 254, 128, 0, 0]));
    }

    #[test]
    fn a_value_that_is_no_text_lies_outside_of_no_excluded_subtree() {
        use rustmq_pki::der::{constructed, tag};
        let organization = |tag: u8, value: &[u8]| {
            let oid = constructed(tag::OID, &[oid::ORGANIZATION]);
            let attribute = constructed(tag::SEQUENCE, &[&oid, &constructed(tag, &[value])]);
            constructed(tag::SEQUENCE, &[&constructed(tag::SET, &[&attribute])])
        };
        let base = organization(tag::UTF8_STRING, b"Acme");
        let side_of = |tag: u8, value: &[u8], side| {
            let name = organization(tag, value);
            let [name, base] = [&name, &base].map(|der| NameRef::from_der(der).unwrap());
            let [name, base] = [name, base].map(GeneralName::Directory);
            verdict(&name, &base, side)
        };
        let unclear: [(u8, &[u8]); 4] = [
            (tag::UTF8_STRING, b"Acme\xff"),
            (tag::BMP_STRING, b"\0A\0c\0m\0e\0"),
            (tag::OCTET_STRING, b"Acme"),
            (0x1b, b"Acme"),
        ];
        for (tag, value) in unclear {
            assert_eq!(side_of(tag, value, Side::Excluded), Verdict::Malformed, "{tag:02x}");
            assert_eq!(side_of(tag, value, Side::Permitted), Verdict::Outside, "{tag:02x}");
        }
        let clear = side_of(tag::PRINTABLE_STRING, b"Other", Side::Excluded);
        assert_eq!(clear, Verdict::Outside);
    }

    #[test]
    fn mailboxes_and_uris() {
        let mailbox = |name, base| mailbox_verdict(name, base, Side::Permitted);
        assert_eq!(mailbox("a@example.com", "example.com"), Verdict::Within);
        assert_eq!(mailbox("a@x.example.com", "example.com"), Verdict::Outside);
        assert_eq!(mailbox("a@x.example.com", ".example.com"), Verdict::Within);
        assert_eq!(mailbox("a@example.com", ".example.com"), Verdict::Outside);
        assert_eq!(mailbox("a@example.com", "*@example.com"), Verdict::Outside);
        assert_eq!(mailbox("a@b@example.com", "example.com"), Verdict::Malformed);
        assert_eq!(mailbox("a@example.com", ""), Verdict::Within);
        let uri = uri_verdict;
        assert_eq!(uri("spiffe://td.example/broker/b1", "td.example"), Verdict::Within);
        assert_eq!(uri("http://h.td.example/", ".td.example"), Verdict::Within);
        assert_eq!(uri("http://h.td.example/", "td.example"), Verdict::Outside);
        assert_eq!(uri("urn:rustmq:x", "td.example"), Verdict::Malformed);
        assert_eq!(uri("http://192.0.2.1/", ".td.example"), Verdict::Malformed);
    }

    #[test]
    fn a_mailbox_is_excluded_in_every_spelling_and_permitted_in_its_own() {
        let spellings = ["u@bad.com", "\"u\"@bad.com", "\"\\u\"@BAD.com"];
        for (at, name) in spellings.into_iter().enumerate() {
            for (base_at, base) in spellings.into_iter().enumerate() {
                assert_eq!(mailbox_verdict(name, base, Side::Excluded), Verdict::Within, "{name}");
                let expected = if at == base_at { Verdict::Within } else { Verdict::Outside };
                assert_eq!(mailbox_verdict(name, base, Side::Permitted), expected, "{name} {base}");
            }
        }
        let excluded = |name, base| mailbox_verdict(name, base, Side::Excluded);
        for other in ["\"u \"@bad.com", "\"U\"@bad.com", "uu@bad.com", "\"u\"@good.com"] {
            assert_eq!(excluded(other, "u@bad.com"), Verdict::Outside, "{other}");
        }
        assert_eq!(excluded("\"a b\"@bad.com", "\"a\\ b\"@bad.com"), Verdict::Within);
    }

    #[test]
    fn an_authority_that_readers_see_differently_is_malformed() {
        let uri = uri_verdict;
        assert_eq!(uri("http://a:b@example.com:80/", "example.com"), Verdict::Within);
        for hostile in [
            "http://evil.com\\@example.com/",
            "http://evil.com @example.com/",
            "http://a@evil.com@example.com/",
            "http://example.com:x/",
            "http://example.com:80:80/",
            "http://example.com/\\@evil.com",
            "ht tp://example.com/",
            "http://ex%61mple.com/",
        ] {
            for base in ["example.com", "evil.com", ".com", ""] {
                assert_eq!(uri(hostile, base), Verdict::Malformed, "{hostile} in {base}");
            }
        }
    }
}
