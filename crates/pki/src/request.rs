//! What somebody asks a certificate for, before anyone has judged it.

use std::borrow::Cow;

use crate::certificate::Certificate;
use crate::constraints::NameConstraints;
use crate::key::{KeyError, PublicKey};
use crate::name::{
    Attribute, DistinguishedName, DistinguishedNameError, Principal, PrincipalError,
    SubjectAltName, TrustDomain,
};
use crate::oid;
use crate::profile::MAX_SANS;
use crate::read::{Extensions, GeneralName, KeyUsage, NameRef, ReadError, RequestRef};

/// A request for a certificate. It has passed no judgement yet: [`Profile::admit`] is the gate.
///
/// [`Profile::admit`]: crate::profile::Profile::admit
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    pub(crate) subject: Subject,
    pub(crate) public_key: PublicKey,
    pub(crate) sans: Vec<SubjectAltName>,
    pub(crate) asked: Asked,
}

#[derive(Clone, Debug)]
pub(crate) enum Subject {
    EndEntity { principal: Principal, name: DistinguishedName },
    Ca { name: DistinguishedName, path_len: Option<u8>, constraints: NameConstraints },
}

/// What a PKCS#10 request asked for beside names and key. The profile has the last word on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) key_usage: Option<u16>,
    pub(crate) extended_key_usage: Vec<Vec<u8>>,
    /// What the certificate will not have, in words.
    pub(crate) overridden: Vec<String>,
}

/// Why a PKCS#10 request is refused before any profile has seen it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not PEM with the label CERTIFICATE REQUEST, and not DER either.
    #[error("this is no PEM certificate request (-----BEGIN CERTIFICATE REQUEST-----)")]
    NotPem,
    /// Text after the request.
    #[error("something follows the request's END line: give one request and nothing after it")]
    TrailingText,
    /// Broken, or bytes follow the request.
    #[error("this is no well-formed PKCS#10 request (RFC 2986): {0}")]
    Malformed(#[from] ReadError),
    /// The key is weak, broken or of an unsupported type.
    #[error("the request's key is refused: {0}")]
    Key(#[from] KeyError),
    /// The signature's algorithm is broken, or none for the request's key.
    #[error(
        "the request is signed with {0}, which is not accepted for its key: sign it with SHA-256 or \
         better"
    )]
    SignatureAlgorithm(String),
    /// The signature does not verify under the request's own key.
    #[error(
        "the request's signature does not verify under its key: there is no proof that the \
         requester holds the private key (RFC 2986 4.2)"
    )]
    ProofOfPossession,
    /// basicConstraints with CA:TRUE.
    #[error("the request asks for a CA certificate (basicConstraints CA:TRUE)")]
    Ca,
    /// A path length without CA:TRUE.
    #[error("the request has a path length, which only a CA has (RFC 5280 4.2.1.9)")]
    PathLength,
    /// More names than any certificate of ours holds.
    #[error("the request asks for more than {MAX_SANS} subject alternative names")]
    TooManyNames,
    /// keyCertSign or cRLSign.
    #[error("the request asks for {0} in keyUsage, which only a CA has")]
    CaKeyUsage(&'static str),
    /// A name of a form that end-entity certificates of ours never have.
    #[error("the request asks for a subject alternative name of the form {0}: use DNS, IP, e-mail")]
    NameForm(&'static str),
    /// A name that is not valid.
    #[error("the request asks for a subject alternative name that is not valid: {0}")]
    Name(String),
    /// A critical extension that this authority does not issue.
    #[error("the request asks for the critical extension {0}, which this authority does not issue")]
    CriticalExtension(String),
    /// The principal that was given is not the one that the request speaks of, and the request has
    /// names: they are the other's.
    #[error(
        "the request is of {common_name:?} and asks for {name}, and the principal given is \
         {principal:?}: names that one asked for do not go into another's certificate"
    )]
    ForeignName {
        /// The request's common name.
        common_name: String,
        /// The first name that is not the principal's own.
        name: String,
        /// The principal that was given.
        principal: String,
    },
    /// More than one common name, or none and no principal beside the request.
    #[error("the request's subject has {0} common names; give the principal beside the request")]
    CommonNames(usize),
    /// A common name that is no text.
    #[error("the request's common name is not readable in its string type")]
    UnreadableCommonName,
    /// The common name is no principal.
    #[error("the request's common name is no principal: {0}")]
    Principal(#[from] PrincipalError),
}

impl CertificateRequest {
    /// A request for an end entity's certificate; its subject is the principal's common name alone.
    pub fn for_principal(principal: Principal, public_key: PublicKey) -> Self {
        let name = DistinguishedName::of_principal(&principal);
        Self {
            subject: Subject::EndEntity { principal, name },
            public_key,
            sans: Vec::new(),
            asked: Asked::default(),
        }
    }

    /// A request for a CA's certificate.
    pub fn for_ca(name: DistinguishedName, public_key: PublicKey) -> Self {
        let constraints = NameConstraints::default();
        Self {
            subject: Subject::Ca { name, path_len: None, constraints },
            public_key,
            sans: Vec::new(),
            asked: Asked::default(),
        }
    }

    /// Reads a DER PKCS#10 request (RFC 2986) and checks that its signature proves possession of the
    /// private key. `principal` replaces the subject's common name where it is given; the names of a
    /// request with another common name are refused then.
    pub fn from_pkcs10(der: &[u8], principal: Option<Principal>) -> Result<Self, RequestError> {
        let view = RequestRef::read(der)?;
        let algorithm = view.signature_algorithm.der;
        let proven = PublicKey::proven(view.spki.der, algorithm, view.info, view.signature)?;
        let Some(public_key) = proven else {
            let fits = PublicKey::from_spki(view.spki.der)?.accepts(algorithm);
            return Err(match fits {
                true => RequestError::ProofOfPossession,
                false => RequestError::SignatureAlgorithm(signature_name(algorithm)),
            });
        };
        let mut asked = Asked::default();
        let principal = subject_principal(&view.subject, principal, &mut asked)?;
        let sans = read_extensions(&view.extensions, &mut asked)?;
        check_names_are_own(&view.subject, &sans, &principal)?;
        for attribute in view.attributes.iter() {
            if attribute.oid != *oid::EXTENSION_REQUEST {
                asked.overridden.push(format!("attribute {}", attribute.oid));
            }
        }
        Ok(Self { sans, asked, ..Self::for_principal(principal, public_key) })
    }

    /// [`Self::from_pkcs10`] from PEM (RFC 7468 7; the older label with NEW is read too) or DER.
    pub fn from_pkcs10_bytes(
        bytes: &[u8],
        principal: Option<Principal>,
    ) -> Result<Self, RequestError> {
        Self::from_pkcs10(&der_of(bytes)?, principal)
    }

    /// The one common name of a PKCS#10 request, PEM or DER, as it stands there: nothing is proven
    /// or checked. For the record of a refusal.
    pub fn claimed_common_name(bytes: &[u8]) -> Option<String> {
        let der = der_of(bytes).ok()?;
        let view = RequestRef::read(&der).ok()?;
        let mut names = view.subject.values_of(oid::COMMON_NAME);
        let name = names.next()?.text()?.into_owned();
        names.next().is_none().then_some(name)
    }

    /// A request for the same subject and names as `old` has, with `public_key`. The identity in the
    /// CA's trust domain is left out: the gate adds it again. `None` where `old` has a subject or
    /// names that this authority does not issue.
    pub fn renewing(
        old: &Certificate,
        public_key: PublicKey,
        trust_domain: Option<&TrustDomain>,
    ) -> Option<Self> {
        let view = old.view();
        let name = DistinguishedName::from_view(&view.subject)
            .filter(|name| name.to_der() == view.subject.der)?;
        let known = view.extensions.known().ok()?;
        if known.is_ca() {
            let path_len = known.basic_constraints?.value.path_len;
            let constraints = known
                .name_constraints
                .map(|constraints| NameConstraints::from_view(&constraints.value))
                .transpose()
                .ok()?
                .unwrap_or_default();
            let path_len = path_len.map(u8::try_from).transpose().ok()?;
            let subject = Subject::Ca { name, path_len, constraints };
            return Some(Self { subject, public_key, sans: Vec::new(), asked: Asked::default() });
        }
        let principal = Principal::of_issued(name.common_name()?).ok()?;
        let sans = known
            .alt_names()
            .iter()
            .map(|name| SubjectAltName::from_view(&name).ok())
            .collect::<Option<Vec<_>>>()?;
        let is_given = |san: &SubjectAltName| match san {
            SubjectAltName::Uri(uri) => !trust_domain.is_some_and(|domain| domain.contains(uri)),
            _ => true,
        };
        let sans = sans.into_iter().filter(is_given).collect();
        let subject = Subject::EndEntity { principal, name };
        Some(Self { subject, public_key, sans, asked: Asked::default() })
    }

    /// Adds subject alternative names.
    #[must_use]
    pub fn with_sans(mut self, sans: impl IntoIterator<Item = SubjectAltName>) -> Self {
        match self.sans.is_empty() {
            // A list that comes as such stays it.
            true => self.sans = sans.into_iter().collect(),
            false => self.sans.extend(sans),
        }
        self
    }

    /// Adds an attribute such as the organisation to the subject. An end entity's common name is its
    /// principal, and stays it.
    pub fn with_attribute(
        mut self,
        attribute: Attribute,
        value: &str,
    ) -> Result<Self, DistinguishedNameError> {
        if attribute == Attribute::CommonName && self.principal().is_some() {
            return Err(DistinguishedNameError::CommonNameIsPrincipal);
        }
        let (Subject::EndEntity { name, .. } | Subject::Ca { name, .. }) = &mut self.subject;
        *name = std::mem::take(name).with(attribute, value)?;
        Ok(self)
    }

    /// Sets how many CA certificates may follow this CA's in a path. It has no effect on a request
    /// for an end entity.
    #[must_use]
    pub fn with_path_len(mut self, length: Option<u8>) -> Self {
        if let Subject::Ca { path_len, .. } = &mut self.subject {
            *path_len = length;
        }
        self
    }

    /// Constrains the names below a CA. It has no effect on a request for an end entity.
    #[must_use]
    pub fn with_name_constraints(mut self, new: NameConstraints) -> Self {
        if let Subject::Ca { constraints, .. } = &mut self.subject {
            *constraints = new;
        }
        self
    }

    /// The key that is to be certified.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Who it is for; `None` for a CA.
    pub fn principal(&self) -> Option<&Principal> {
        match &self.subject {
            Subject::EndEntity { principal, .. } => Some(principal),
            Subject::Ca { .. } => None,
        }
    }

    /// The subject's name.
    pub fn subject(&self) -> &DistinguishedName {
        match &self.subject {
            Subject::EndEntity { name, .. } | Subject::Ca { name, .. } => name,
        }
    }

    /// The names that were asked for.
    pub fn sans(&self) -> &[SubjectAltName] {
        &self.sans
    }
}

/// The DER of a request that may be PEM: DER starts with a SEQUENCE, PEM with text.
fn der_of(bytes: &[u8]) -> Result<Cow<'_, [u8]>, RequestError> {
    if bytes.first() == Some(&crate::der::tag::SEQUENCE) {
        return Ok(Cow::Borrowed(bytes));
    }
    match pem_rfc7468::decode_vec(bytes.trim_ascii_start()) {
        Ok(("CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST", der)) => Ok(Cow::Owned(der)),
        _ if text_follows(bytes) => Err(RequestError::TrailingText),
        _ => Err(RequestError::NotPem),
    }
}

/// Whether anything but white space follows the first END line of a request.
fn text_follows(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let after = text.split_once("-----BEGIN").and_then(|(_, begun)| {
        let (_, ended) = begun.split_once("CERTIFICATE REQUEST-----")?;
        ended.split_once("CERTIFICATE REQUEST-----")
    });
    after.is_some_and(|(_, rest)| !rest.trim().is_empty())
}

/// A signature algorithm as people know it, or its object identifier.
fn signature_name(algorithm: &[u8]) -> String {
    let mut outer = crate::der::Reader::new(algorithm);
    let Ok(oid) = outer.nested(crate::der::tag::SEQUENCE).and_then(|mut inner| inner.oid()) else {
        return "an algorithm of unknown form".to_owned();
    };
    let oid = oid.to_string();
    match oid.as_str() {
        "1.2.840.113549.1.1.4" => "MD5 (md5WithRSAEncryption)".to_owned(),
        "1.2.840.113549.1.1.5" => "SHA-1 (sha1WithRSAEncryption)".to_owned(),
        "1.2.840.10045.4.1" => "SHA-1 (ecdsa-with-SHA1)".to_owned(),
        "1.2.840.113549.1.1.14" => "SHA-224 (sha224WithRSAEncryption)".to_owned(),
        "1.2.840.10045.4.3.1" => "SHA-224 (ecdsa-with-SHA224)".to_owned(),
        _ => format!("the algorithm {oid}"),
    }
}

/// The principal, and a note of what else the subject held.
fn subject_principal(
    subject: &NameRef<'_>,
    given: Option<Principal>,
    asked: &mut Asked,
) -> Result<Principal, RequestError> {
    let common_names: Vec<_> = subject.values_of(oid::COMMON_NAME).collect();
    let principal = match (given, common_names.as_slice()) {
        (Some(principal), _) => principal,
        (None, [name]) => {
            Principal::parse(&name.text().ok_or(RequestError::UnreadableCommonName)?)?
        }
        (None, names) => return Err(RequestError::CommonNames(names.len())),
    };
    for attribute in subject.attributes() {
        let value = attribute.text().unwrap_or_default();
        if attribute.oid != *oid::COMMON_NAME || value != principal.as_str() {
            let value = shortened(&value);
            asked.overridden.push(format!("subject attribute {} {value:?}", attribute.oid));
        }
    }
    Ok(principal)
}

/// Refuses the names of a request whose common name is somebody else's than the principal given. A
/// request without names leaves all that is said to whoever signs it.
fn check_names_are_own(
    subject: &NameRef<'_>,
    sans: &[SubjectAltName],
    principal: &Principal,
) -> Result<(), RequestError> {
    let texts = subject.values_of(oid::COMMON_NAME).map(|name| name.text().unwrap_or_default());
    let Some(other) = texts.into_iter().find(|name| name.as_ref() != principal.as_str()) else {
        return Ok(());
    };
    let own = SubjectAltName::parse(principal.as_str()).ok();
    match sans.iter().find(|san| Some(*san) != own.as_ref()) {
        Some(name) => Err(RequestError::ForeignName {
            common_name: shortened(&other),
            name: shortened(&name.to_string()),
            principal: principal.to_string(),
        }),
        None => Ok(()),
    }
}

fn read_extensions(
    extensions: &Extensions<'_>,
    asked: &mut Asked,
) -> Result<Vec<SubjectAltName>, RequestError> {
    let known = extensions.known()?;
    if known.is_ca() {
        return Err(RequestError::Ca);
    }
    // RFC 5280 4.2.1.9: a path length only where cA is true.
    if known.basic_constraints.is_some_and(|basic| basic.value.path_len.is_some()) {
        return Err(RequestError::PathLength);
    }
    if known.alt_names().iter().count() > MAX_SANS {
        return Err(RequestError::TooManyNames);
    }
    if let Some(usage) = &known.key_usage {
        for (bit, name) in
            [(KeyUsage::KEY_CERT_SIGN, "keyCertSign"), (KeyUsage::CRL_SIGN, "cRLSign")]
        {
            if usage.value.contains(bit) {
                return Err(RequestError::CaKeyUsage(name));
            }
        }
        asked.key_usage = Some(usage.value.bits());
    }
    if let Some(purposes) = &known.extended_key_usage {
        asked.extended_key_usage =
            purposes.value.iter().map(|purpose| purpose.as_bytes().to_vec()).collect();
    }
    for extension in extensions.iter() {
        let handled = [
            oid::BASIC_CONSTRAINTS,
            oid::KEY_USAGE,
            oid::EXTENDED_KEY_USAGE,
            oid::SUBJECT_ALT_NAME,
            oid::SUBJECT_KEY_IDENTIFIER,
        ]
        .contains(&extension.oid.as_bytes());
        if !handled && extension.critical {
            return Err(RequestError::CriticalExtension(extension.oid.to_string()));
        }
        if !handled {
            asked.overridden.push(format!("extension {}", extension.oid));
        }
    }
    known.alt_names().iter().map(|name| SubjectAltName::from_view(&name)).collect()
}

/// The most characters of a requester's own text in a message or note.
const ECHOED: usize = 100;

/// A requester's text, cut where it is long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(ECHOED) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

impl SubjectAltName {
    /// The owned form of a name that was read.
    pub fn from_view(name: &GeneralName<'_>) -> Result<Self, RequestError> {
        // The form is IA5String: what is not ASCII is malformed, not to be mapped to something else.
        let parse = |kind: &str, octets: &[u8]| {
            let text = std::str::from_utf8(octets).ok().filter(|text| text.is_ascii());
            let text = text.ok_or_else(|| RequestError::Name(format!("{kind} is not ASCII")))?;
            Self::parse(&format!("{kind}:{text}"))
                .map_err(|error| RequestError::Name(shortened(&error.to_string())))
        };
        match name {
            GeneralName::Dns(octets) => parse("dns", octets),
            GeneralName::Rfc822(octets) => parse("email", octets),
            GeneralName::Uri(octets) => parse("uri", octets),
            GeneralName::Ip(octets) => {
                if let Ok(octets) = <[u8; 4]>::try_from(*octets) {
                    Ok(Self::Ip(octets.into()))
                } else if let Ok(octets) = <[u8; 16]>::try_from(*octets) {
                    Ok(Self::Ip(octets.into()))
                } else {
                    Err(RequestError::Name("an IP address of neither 4 nor 16 octets".to_owned()))
                }
            }
            GeneralName::Directory(_) => Err(RequestError::NameForm("directoryName")),
            GeneralName::RegisteredId(_) => Err(RequestError::NameForm("registeredID")),
            _ => Err(RequestError::NameForm("otherName, x400Address or ediPartyName")),
        }
    }
}
