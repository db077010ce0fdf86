//! Durable, audited batches, with few and with many certificates stored.
//!
//! The reference keeps all cores busy, as a batch does. All CPU time counts: the keys, the merging of the look-up tables, and the checkpoint at the end.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use rustmq_ca::batch::SLICE_ROWS;
use tokio::runtime::Runtime;

use crate::measure::{Table, Target, cpu_time, on_all_cores};
use crate::store::Store;

/// Certificates stored before the first and before the last measurement.
const STORED: usize = 100_000;
const MANY: usize = 1_000_000;

/// Slices of a measurement: with many stored, the longest run of the look-up tables is merged once in
/// as many.
const SLICES: usize = 32;

/// Slices of PKCS#10 requests.
const CSR_SLICES: usize = 16;

/// How often the reference is repeated for each slice.
const REFERENCE: u32 = 1000;

/// Measures and adds the rows. Returns the store, with a million certificates.
pub(crate) fn run(table: &mut Table, runtime: &Runtime) -> Store {
    let mut store = Store::new(runtime, MANY / 10_000);
    store.fill(runtime, STORED);
    store.reopen();
    let (raw, one) = batch(runtime, &mut store);
    table.add(
        "durable batch, 100,000 stored",
        raw / one,
        format!("raw keygen + sign {raw:.1} us / {one:.1} us of CPU"),
        Target::AtLeast(0.65),
    );
    table.plot("durable batch, 100,000 stored", one);
    let (raw_csr, csr) = csr_batch(runtime, &mut store);
    table.add(
        "durable batch of requests",
        raw_csr / csr,
        format!("verify + sign {raw_csr:.1} us / {csr:.1} us of CPU"),
        Target::AtLeast(0.80),
    );
    store.fill(runtime, MANY);
    store.reopen();
    let (raw_many, many) = batch(runtime, &mut store);
    table.add(
        "durable batch, 1,000,000 stored",
        (many / raw_many) / (one / raw),
        format!("{many:.1} us / {one:.1} us of CPU, each by its reference"),
        Target::AtMost(2.0),
    );
    table.plot("durable batch, 1,000,000 stored", many);
    store
}

/// CPU microseconds of the reference, and of one certificate.
fn measure(
    runtime: &Runtime,
    store: &mut Store,
    slices: usize,
    reference: &(dyn Fn() + Sync),
    mut issue: impl FnMut(&mut Store) -> std::time::Duration,
) -> (f64, f64) {
    // The CA's key is opened once a process: its passphrase is hashed for a tenth of a second.
    store.issue_at_once(runtime, 1);
    let (mut referred, mut issued) = (0.0, 0.0);
    for _ in 0..slices {
        referred += on_all_cores(REFERENCE, reference);
        issued += issue(store).as_secs_f64();
    }
    let start = cpu_time();
    store.reopen();
    issued += (cpu_time() - start).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "some thousands are exact")]
    let (slices, certificates) = (slices as f64, (slices * SLICE_ROWS) as f64);
    (referred / slices, issued / certificates * 1e6)
}

fn batch(runtime: &Runtime, store: &mut Store) -> (f64, f64) {
    let signing = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let message = [7; 450];
    let reference = || {
        black_box(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap());
        assert!(signing.sign(&SystemRandom::new(), &message).unwrap().as_ref().len() > 60);
    };
    let mut opened = None;
    measure(runtime, store, SLICES, &reference, |store| {
        let start = cpu_time();
        let batch = opened.get_or_insert_with(|| store.batch(runtime));
        let rows = store.rows(SLICE_ROWS);
        store.issue_slice(runtime, batch, rows);
        cpu_time() - start
    })
}

fn csr_batch(runtime: &Runtime, store: &mut Store) -> (f64, f64) {
    let signing = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let message = [7; 450];
    // Each its own key and signature, as requests have: one that repeats is verified faster, since
    // the processor has learned its way.
    let signed: Vec<_> = (0..REFERENCE)
        .map(|_| {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
            let signature = key.sign(&SystemRandom::new(), &message).unwrap();
            let public = key.public_key().as_ref().to_vec();
            (UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public), signature)
        })
        .collect();
    let turn = AtomicUsize::new(0);
    let reference = || {
        let (key, signature) = &signed[turn.fetch_add(1, Ordering::Relaxed) % signed.len()];
        key.verify(&message, signature.as_ref()).unwrap();
        assert!(signing.sign(&SystemRandom::new(), &message).unwrap().as_ref().len() > 60);
    };
    let mut opened = None;
    measure(runtime, store, CSR_SLICES, &reference, |store| {
        let csrs = (0..SLICE_ROWS).map(|others| csr(store.name_after(others))).collect();
        let start = cpu_time();
        let batch = opened.get_or_insert_with(|| store.batch(runtime));
        let rows = store.csr_rows(csrs);
        store.issue_slice(runtime, batch, rows);
        cpu_time() - start
    })
}

/// A request with a key of its own.
fn csr(name: String) -> Vec<u8> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.clone()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.serialize_request(&key).unwrap().der().to_vec()
}
