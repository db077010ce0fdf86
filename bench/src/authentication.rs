//! Authentication against the signature verifications and hashes that it cannot do without.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey as VerifyingKey};
use base64ct::Encoding;
use rustls::pki_types::CertificateDer;
use rustmq_auth::revocation::{Crl, SerialSet, StatusPolicy};
use rustmq_auth::{
    AuthenticationManager, Fingerprint, Purpose, Question, ReferenceName, Terms, Trust,
};
use rustmq_pki::read::{CertificateRef, RevocationReason};

use crate::measure::{Table, Target, cpu_of_script, cpu_time, in_turns};

mod handshake;
#[path = "../../crates/auth/tests/engine/issue.rs"]
#[expect(dead_code, reason = "the engine's tests make more kinds of objects than are measured")]
mod issue;
mod sessions;

use issue::{Holder, Spec, now, role};

const HOST: &str = "broker-01.example";

/// Root, intermediate and their lists, which most figures share.
pub(crate) struct World {
    root: Holder,
    intermediate: Holder,
    root_der: Vec<u8>,
    intermediate_der: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let (root, intermediate) = (Holder::new("Root CA"), Holder::new("Production CA"));
        let root_der = root.self_signed();
        let intermediate_der = root.issue(&intermediate, &Spec::ca().serial(&[0x21]));
        Self { root, intermediate, root_der, intermediate_der }
    }

    /// A leaf with a serial number of its own.
    fn leaf(&self, number: u32) -> (Holder, Vec<u8>) {
        let holder = Holder::new(&format!("app-{number}"));
        let mut serial = vec![0x11; 16];
        serial[8..12].copy_from_slice(&number.to_be_bytes());
        let spec = Spec::leaf(HOST).with(role("client")).serial(&serial);
        let der = self.intermediate.issue(&holder, &spec);
        (holder, der)
    }

    /// Lists of both CAs, the intermediate's with `revoked` entries.
    fn crls(&self, number: u8, revoked: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let (from, to) = (now().plus_days(-1), now().plus_days(1));
        let serials: Vec<&[u8]> = revoked.iter().map(Vec::as_slice).collect();
        vec![
            self.root.crl(number, from, to, &[]),
            self.intermediate.crl(number, from, to, &serials),
        ]
    }

    fn trust(&self, number: u8, revoked: &[Vec<u8>]) -> Trust {
        Trust {
            anchors: vec![self.root_der.clone()],
            intermediates: vec![self.intermediate_der.clone()],
            crls: self.crls(number, revoked),
            ..Trust::default()
        }
    }

    fn chain(&self, leaf: Vec<u8>) -> Vec<CertificateDer<'static>> {
        vec![leaf.into(), self.intermediate_der.clone().into()]
    }
}

/// Serial numbers that no leaf of the measurements has.
fn other_serials(count: u32) -> Vec<Vec<u8>> {
    let serial = |number: u32| [&[0x22; 12][..], &number.to_be_bytes()].concat();
    (0..count).map(serial).collect()
}

/// Measures and adds the rows.
pub(crate) fn run(table: &mut Table) {
    let world = World::new();
    cold(table, &world);
    known(table, &world);
    serial_set(table);
    handshake::run(table, &world);
    sessions::run(table, &world);
}

fn verify(certificate: &CertificateRef<'_>, issuer: &CertificateRef<'_>) {
    let key = VerifyingKey::new(&ECDSA_P256_SHA256_ASN1, issuer.spki.key);
    key.verify(certificate.tbs, certificate.signature).unwrap();
}

/// A chain that was never seen, and the same judged by rustls-webpki.
fn cold(table: &mut Table, world: &World) {
    let (_, leaf) = world.leaf(1);
    let read = |der| CertificateRef::read(der).unwrap();
    let (leaf_view, ca_view, root_view) =
        (read(&leaf), read(&world.intermediate_der), read(&world.root_der));
    let (anchors, untrusted) = ([world.root_der.as_slice()], [world.intermediate_der.as_slice()]);
    let names = [ReferenceName::Dns(HOST.to_owned())];
    let terms = Terms { at: now(), purpose: Purpose::Server, ..Terms::default() };
    let plain =
        Question { untrusted: &untrusted, names: &names, terms, ..Question::new(&leaf, &anchors) };
    let lists = world.crls(1, &other_serials(10_000));
    let crls: Vec<_> = lists.iter().map(|der| Crl::from_der(der).unwrap()).collect();
    let revocation = Question { crls: &crls, status: StatusPolicy::Required, ..plain.clone() };
    let peer = WebPki::new(world, &leaf);
    let times = in_turns(
        15,
        100,
        &mut [
            &mut || {
                verify(&leaf_view, &ca_view);
                verify(&ca_view, &root_view);
            },
            &mut || assert!(plain.ask().result.is_ok()),
            &mut || assert!(revocation.ask().result.is_ok()),
            &mut || peer.validate(),
        ],
    );
    let mut row = |name, time: f64, target| {
        let detail = format!("{time:.1} us / two verifications {:.1} us", times[0]);
        table.add(name, time / times[0], detail, target);
    };
    row("cold validation of a chain", times[1], Target::AtMost(1.05));
    row("  the same with 10,000 revoked", times[2], Target::AtMost(1.08));
    row("  the same by rustls-webpki, none revoked", times[3], Target::Peer);
    if let Some(time) = openssl(world) {
        row("  the same by openssl verify", time, Target::Peer);
    }
}

/// User and system time that `openssl verify` takes for a leaf, its start left out; `None` where
/// there is no OpenSSL.
fn openssl(world: &World) -> Option<f64> {
    const LEAVES: u32 = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: String, der: &[u8]| {
        let body = base64ct::Base64::encode_string(der);
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            lines.join("\n")
        );
        std::fs::write(folder.path().join(name), pem).unwrap();
    };
    write("root.pem".to_owned(), &world.root_der);
    write("ca.pem".to_owned(), &world.intermediate_der);
    for number in 0..LEAVES {
        write(format!("leaf-{number}.pem"), &world.leaf(number).1);
    }
    let cpu_of = |leaves: &str, expected: u32| {
        let script = format!(
            "test \"$(openssl verify -purpose sslserver -no_check_time -CAfile root.pem \
             -untrusted ca.pem {leaves} | grep -c ': OK$')\" = {expected}"
        );
        cpu_of_script(&script, folder.path())
    };
    let start = cpu_of("leaf-0.pem", 1)?;
    Some((cpu_of("leaf-*.pem", LEAVES)? - start) * 1e6 / f64::from(LEAVES))
}

struct WebPki<'w> {
    leaf: CertificateDer<'w>,
    intermediate: CertificateDer<'w>,
    root: CertificateDer<'w>,
}

impl<'w> WebPki<'w> {
    fn new(world: &'w World, leaf: &'w [u8]) -> Self {
        Self {
            leaf: leaf.into(),
            intermediate: world.intermediate_der.as_slice().into(),
            root: world.root_der.as_slice().into(),
        }
    }

    fn validate(&self) {
        let anchors = [webpki::anchor_from_trusted_cert(&self.root).unwrap()];
        let leaf = webpki::EndEntityCert::try_from(&self.leaf).unwrap();
        let seconds = u64::try_from(now().seconds()).unwrap();
        let time = rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let intermediates = [self.intermediate.clone()];
        let path = leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &intermediates,
            time,
            webpki::KeyUsage::server_auth(),
            None,
            None,
        );
        assert!(path.is_ok());
        let name = rustls::pki_types::ServerName::try_from(HOST).unwrap();
        leaf.verify_is_valid_for_subject_name(&name).unwrap();
    }
}

/// What was seen before: the intermediate, the chain, the fingerprint.
fn known(table: &mut Table, world: &World) {
    let manager = AuthenticationManager::new(&world.trust(1, &[]), now()).unwrap();
    let identities: Vec<_> = (0..10_000).map(|number| world.leaf(number).1).collect();
    let chains: Vec<_> = identities.iter().map(|leaf| world.chain(leaf.clone())).collect();
    let fingerprints = known_intermediate(table, world, &manager, &chains);
    let chain = world.chain(identities[0].clone());
    let leaf = &identities[0];
    let (mut next, now) = (0, now());
    // Each round several times around: the caches are to hold what a busy broker's would.
    let mut look_up = || {
        for _ in 0..1_000 {
            next = (next + 7_919) % fingerprints.len();
            let known = manager.with_known(&fingerprints[next], now, |peer| peer.not_after);
            assert!(black_box(known).is_some());
        }
    };
    let times = in_turns(
        15,
        400,
        &mut [
            &mut || {
                black_box(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf));
            },
            &mut || assert!(manager.authenticate(&chain, now).is_ok()),
            &mut look_up,
        ],
    );
    let detail = format!("{:.2} us / SHA-256 of the leaf {:.2} us", times[1], times[0]);
    table.add("chain seen before, from DER", times[1] / times[0], detail, Target::AtMost(1.30));
    let one = times[2];
    let detail = format!("{one:.1} ns / 25 ns, 10,000 identities");
    table.add("known fingerprint", one / 25.0, detail, Target::AtMost(1.0));
    two_threads(table, &manager, &fingerprints);
}

/// Leaves that were never seen, under an intermediate that was: in slices, each measured beside the
/// verifications of the same leaves. Returns their fingerprints.
fn known_intermediate(
    table: &mut Table,
    world: &World,
    manager: &AuthenticationManager,
    chains: &[Vec<CertificateDer<'static>>],
) -> Vec<Fingerprint> {
    let ca = CertificateRef::read(&world.intermediate_der).unwrap();
    // Written to once, so that it is in memory before the identities are.
    let (at, mut fingerprints) = (now(), vec![[1; 32]; chains.len()]);
    fingerprints.clear();
    let empty = resident();
    // The first one finds the intermediate unknown.
    fingerprints.push(manager.authenticate(&chains[0], at).unwrap().fingerprint);
    let slices = chains[1..].chunks(500).map(|slice| {
        let start = cpu_time();
        for chain in slice {
            verify(&CertificateRef::read(&chain[0]).unwrap(), &ca);
        }
        let verified = cpu_time();
        for chain in slice {
            fingerprints.push(manager.authenticate(chain, at).unwrap().fingerprint);
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / slice.len() as f64;
        (each(cpu_time() - verified), each(verified - start))
    });
    let mut slices: Vec<(f64, f64)> = slices.collect();
    let each = (resident() - empty) / chains.len() as f64;
    let detail = format!("{each:.0} octets / 300, the table included, 10,000 identities");
    table.add("memory of a cached identity", each / 300.0, detail, Target::AtMost(1.0));
    slices.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (whole, verification) = slices[slices.len() / 2];
    let detail = format!("{whole:.1} us / one verification {verification:.1} us");
    let name = "validation with a known intermediate";
    table.add(name, whole / verification, detail, Target::AtMost(1.10));
    fingerprints
}

/// Octets of memory that this process holds.
fn resident() -> f64 {
    let sizes = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = sizes.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096.0
}

/// CPU time of a look-up with one thread and with two: nothing is shared that both write.
fn two_threads(table: &mut Table, manager: &AuthenticationManager, fingerprints: &[Fingerprint]) {
    let now = now();
    let work = || {
        let mut next = 0;
        for _ in 0..200_000 {
            next = (next + 7_919) % fingerprints.len();
            let known = manager.with_known(&fingerprints[next], now, |peer| peer.not_after);
            assert!(black_box(known).is_some());
        }
    };
    let times = in_turns(
        9,
        1,
        &mut [&mut || work(), &mut || {
            std::thread::scope(|scope| {
                scope.spawn(work);
                scope.spawn(work);
            });
        }],
    );
    let detail = "CPU of a look-up: two threads / one".to_owned();
    table.add("  two threads", times[1] / 2.0 / times[0], detail, Target::AtMost(1.15));
}

/// A million revoked serial numbers.
fn serial_set(table: &mut Table) {
    let serials = other_serials(1_000_000);
    let reason = RevocationReason::Unspecified;
    let set = SerialSet::new(serials.iter().map(|serial| (serial.as_slice(), reason)));
    let each = set.size() as f64 / serials.len() as f64;
    let detail = format!("{each:.1} octets / 24, a million revoked");
    table.add("octets of a revoked serial number", each / 24.0, detail, Target::AtMost(1.0));
    // Side by side and in another order than the set's: the look-up is measured, not the fetching of
    // what is looked up.
    let mut probes: Vec<[u8; 16]> = Vec::with_capacity(200_000);
    probes
        .extend((0..200_000).map(|n| *serials[n * 79_199 % serials.len()].first_chunk().unwrap()));
    drop(serials);
    let others: Vec<[u8; 16]> = probes
        .iter()
        .map(|serial| {
            let mut other = *serial;
            other[0] ^= 0x33;
            other
        })
        .collect();
    let (mut next, mut next_other) = (probes.iter().cycle(), others.iter().cycle());
    let times = in_turns(
        9,
        2_000,
        &mut [
            &mut || {
                for serial in next.by_ref().take(10) {
                    assert!(set.find(black_box(serial)).is_some());
                }
            },
            &mut || {
                for serial in next_other.by_ref().take(10) {
                    assert!(set.find(black_box(serial)).is_none());
                }
            },
        ],
    );
    for (name, time) in ["  look-up", "  look-up of one that is not revoked"].iter().zip(times) {
        let one = time * 100.0;
        let detail = format!("{one:.0} ns / 100 ns, a million revoked");
        table.add(name, one / 100.0, detail, Target::AtMost(1.0));
    }
}

/// X25519 as a handshake does it: a key pair and an agreement.
fn agree() {
    let random = SystemRandom::new();
    let own = EphemeralPrivateKey::generate(&X25519, &random).unwrap();
    let peer = EphemeralPrivateKey::generate(&X25519, &random).unwrap();
    let peer = UnparsedPublicKey::new(&X25519, peer.compute_public_key().unwrap());
    agree_ephemeral(own, &peer, (), |secret| {
        assert_eq!(secret.len(), 32);
        Ok(())
    })
    .unwrap();
}
