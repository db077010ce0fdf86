//! Every judge accepts good samples and refuses planted-bad ones, before it judges the product.

use rustmq_conformance::{Fault, Judge, SampleKey, Samples, Verdict, require};

/// Whether the judge and whatever mints the samples are here.
fn ready(judge: Judge, key: SampleKey) -> bool {
    let minter = if key.is_ml_dsa() { Judge::Python } else { Judge::OpenSsl };
    require(judge) && require(minter)
}

/// Shows the judge both good chains and every planted fault.
fn accepts_good_and_refuses_bad(judge: Judge, key: SampleKey) {
    if !ready(judge, key) {
        return;
    }
    let samples = Samples::mint(key);
    let good = judge.verify_all(&[&samples.server(), &samples.client()]);
    assert_eq!(good, [Verdict::Accepted, Verdict::Accepted], "{judge:?} on good chains");
    let planted = Fault::ALL.map(|fault| samples.planted(fault));
    let verdicts = judge.verify_all(&planted.each_ref());
    for (fault, verdict) in Fault::ALL.into_iter().zip(verdicts) {
        assert!(matches!(verdict, Verdict::Refused(_)), "{judge:?} accepted {fault:?}");
    }
}

/// Shows every judge that knows this kind of key a good chain, and the same with a broken signature.
fn signatures_are_checked(key: SampleKey) {
    let judges = Judge::OF_PATHS.into_iter().filter(|judge| judge.knows(key));
    let judges: Vec<Judge> = judges.filter(|judge| ready(*judge, key)).collect();
    if judges.is_empty() {
        return;
    }
    let samples = Samples::mint(key);
    for judge in judges {
        assert_eq!(judge.verify(&samples.server()), Verdict::Accepted, "{judge:?} on {key:?}");
        let broken = judge.verify(&samples.planted(Fault::BrokenSignature));
        assert!(matches!(broken, Verdict::Refused(_)), "{judge:?} accepted a broken {key:?}");
    }
}

#[test]
fn openssl_can_fail() {
    accepts_good_and_refuses_bad(Judge::OpenSsl, SampleKey::P256);
}

#[test]
fn gnutls_can_fail() {
    accepts_good_and_refuses_bad(Judge::GnuTls, SampleKey::P256);
}

#[test]
fn java_can_fail() {
    accepts_good_and_refuses_bad(Judge::Java, SampleKey::P256);
}

#[test]
fn go_can_fail() {
    accepts_good_and_refuses_bad(Judge::Go, SampleKey::P256);
}

#[test]
fn go_can_fail_on_ml_dsa() {
    accepts_good_and_refuses_bad(Judge::Go, SampleKey::MlDsa65);
}

#[test]
fn python_can_fail() {
    accepts_good_and_refuses_bad(Judge::Python, SampleKey::P256);
}

#[test]
fn python_can_fail_on_ml_dsa() {
    accepts_good_and_refuses_bad(Judge::Python, SampleKey::MlDsa65);
}

/// The library's path builder refuses Ed25519, so `judge.py` walks these chains itself.
#[test]
fn python_can_fail_on_ed25519() {
    accepts_good_and_refuses_bad(Judge::Python, SampleKey::Ed25519);
}

#[test]
fn p384_signatures_are_checked() {
    signatures_are_checked(SampleKey::P384);
}

#[test]
fn p521_signatures_are_checked() {
    signatures_are_checked(SampleKey::P521);
}

#[test]
fn ed25519_signatures_are_checked() {
    signatures_are_checked(SampleKey::Ed25519);
}

#[test]
fn rsa_2048_signatures_are_checked() {
    signatures_are_checked(SampleKey::Rsa2048);
}

#[test]
fn rsa_3072_signatures_are_checked() {
    signatures_are_checked(SampleKey::Rsa3072);
}

#[test]
fn rsa_4096_signatures_are_checked() {
    signatures_are_checked(SampleKey::Rsa4096);
}

#[test]
fn ml_dsa_44_signatures_are_checked() {
    signatures_are_checked(SampleKey::MlDsa44);
}

#[test]
fn ml_dsa_65_signatures_are_checked() {
    signatures_are_checked(SampleKey::MlDsa65);
}

#[test]
fn ml_dsa_87_signatures_are_checked() {
    signatures_are_checked(SampleKey::MlDsa87);
}
