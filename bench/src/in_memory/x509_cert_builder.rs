//! The same work by the `x509-cert` builder, with aws-lc-rs as its signer.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use signature::{Error, Keypair, Signer};
use std::str::FromStr;
use std::time::Duration;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{BitString, Ia5String, ObjectIdentifier};
use x509_cert::der::{Decode, Document, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{
    AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey,
    SignatureBitStringEncoding, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef,
};
use x509_cert::time::{Time, Validity};

const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// A CA made of the builder's parts.
pub(crate) struct Peer {
    signer: AwsSigner,
    issuer: Name,
}

struct AwsSigner {
    pair: EcdsaKeyPair,
    public: Public,
}

#[derive(Clone)]
struct Public(Vec<u8>);

struct Signature(Vec<u8>);

struct Leaf {
    issuer: Name,
    subject: Name,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let public = Public(spki_of(&pair));
        let issuer = Name::from_str("CN=Bench Root CA").unwrap();
        Self { signer: AwsSigner { pair, public }, issuer }
    }

    pub(crate) fn issue(&mut self) -> usize {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let spki = SubjectPublicKeyInfoOwned::from_der(&spki_of(&pair)).unwrap();
        let mut serial = [0; 16];
        aws_lc_rs::rand::fill(&mut serial).unwrap();
        serial[0] = serial[0] & 0x7f | 1;
        let at =
            |seconds| Time::try_from(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        let validity = Validity::new(at(1_795_391_700), at(1_826_928_000));
        let subject = Name::from_str("CN=broker-01.example.com").unwrap();
        let leaf = Leaf { issuer: self.issuer.clone(), subject };
        let serial = SerialNumber::new(&serial).unwrap();
        let builder = CertificateBuilder::new(leaf, serial, validity, spki).unwrap();
        let certificate = builder.build::<_, Signature>(&self.signer).unwrap();
        certificate.to_der().unwrap().len()
    }
}

fn spki_of(pair: &EcdsaKeyPair) -> Vec<u8> {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap().as_ref().to_vec()
}

impl BuilderProfile for Leaf {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        spk: SubjectPublicKeyInfoRef<'_>,
        issuer_spk: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let mut all: Vec<Extension> = Vec::new();
        let subject = tbs.subject();
        let dns = Ia5String::new("broker-01.example.com")?;
        all.push(AuthorityKeyIdentifier::try_from(issuer_spk)?.to_extension(subject, &all)?);
        all.push(SubjectKeyIdentifier::try_from(spk)?.to_extension(subject, &all)?);
        all.push(KeyUsage(KeyUsages::DigitalSignature.into()).to_extension(subject, &all)?);
        let purposes = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];
        let purposes = purposes.map(ObjectIdentifier::new_unwrap).to_vec();
        all.push(ExtendedKeyUsage(purposes).to_extension(subject, &all)?);
        all.push(SubjectAltName(vec![GeneralName::DnsName(dns)]).to_extension(subject, &all)?);
        Ok(all)
    }
}

impl Keypair for AwsSigner {
    type VerifyingKey = Public;

    fn verifying_key(&self) -> Public {
        self.public.clone()
    }
}

impl EncodePublicKey for Public {
    fn to_public_key_der(&self) -> x509_cert::spki::Result<Document> {
        Ok(Document::try_from(self.0.as_slice())?)
    }
}

impl DynSignatureAlgorithmIdentifier for AwsSigner {
    fn signature_algorithm_identifier(&self) -> x509_cert::spki::Result<AlgorithmIdentifierOwned> {
        Ok(AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None })
    }
}

impl Signer<Signature> for AwsSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Signature, Error> {
        self.pair
            .sign(&SystemRandom::new(), message)
            .map(|signature| Signature(signature.as_ref().to_vec()))
            .map_err(|_| Error::new())
    }
}

impl SignatureBitStringEncoding for Signature {
    fn to_bitstring(&self) -> x509_cert::der::Result<BitString> {
        BitString::from_bytes(&self.0)
    }
}
