//! The job of the tests of batches, and what is left of it.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use rustmq_ca::batch::{
    BatchRequest, BatchRevocation, BatchRevokeRequest, BatchRow, RowKey, Selection,
};
use rustmq_ca::{CertificateManager, CertificateStatus, Error, Execution, ListFilter};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::PublicKey;
use rustmq_pki::name::Principal;
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_testkit::new_key;

/// Rows of a slice.
pub(crate) const SIZE: usize = 16;

/// Slices of the job.
pub(crate) const SLICES: usize = 4;

/// Starts the name of the file that holds what a slice was acknowledged with.
const SLICE: &str = "slice-";

/// The job's keys: made once, as a caller keeps them until their certificates are durable.
fn keys(markers: &Path) -> Vec<PublicKey> {
    let path = markers.join("keys");
    if let Ok(octets) = fs::read(&path) {
        let read = |spki| PublicKey::from_spki(spki).expect("a key");
        return octets.chunks(octets.len() / (SIZE * SLICES)).map(read).collect();
    }
    let keys: Vec<_> = (0..SIZE * SLICES).map(|_| new_key()).collect();
    fs::create_dir_all(markers).expect("a directory");
    fs::write(path, keys.iter().flat_map(PublicKey::spki).copied().collect::<Vec<_>>())
        .expect("a file");
    keys
}

fn principal(row: u64) -> String {
    format!("row-{row}@b.example")
}

fn rows(job: &str, keys: &[PublicKey], slice: usize) -> Vec<BatchRow> {
    let first = slice * SIZE;
    (first as u64..)
        .zip(&keys[first..][..SIZE])
        .map(|(number, key)| {
            let san = format!("dns:{}.example.com", job.replace(' ', "-"));
            let sans = vec![san.parse().expect("a SAN")];
            BatchRow { sans, ..row(number, &principal(number), key) }
        })
        .collect()
}

/// A plain row.
pub(crate) fn row(row: u64, principal: &str, key: &PublicKey) -> BatchRow {
    BatchRow {
        row,
        principal: Some(Principal::parse(principal).expect("a principal")),
        role: None,
        profile: None,
        sans: Vec::new(),
        validity: Validity::Default,
        subject: RowKey::PublicKey(key.clone()),
    }
}

/// A batch of prod_ca_1 for clients.
pub(crate) fn request(job: &str) -> BatchRequest {
    BatchRequest {
        ca: "prod_ca_1".to_owned(),
        role: Some(Role::Client),
        profile: None,
        job: job.to_owned(),
        execution: Execution::Commit,
    }
}

/// Issues the job's first slices and writes down what came, slice by slice.
pub(crate) async fn issue(
    manager: &CertificateManager,
    job: &str,
    slices: usize,
    markers: &Path,
) -> Result<String, Error> {
    let batch = manager.batch(request(job)).await?;
    let keys = keys(markers);
    let mut serials = Vec::new();
    for slice in 0..slices {
        let issued = batch.issue_slice(slice as u64, rows(job, &keys, slice)).await?;
        let of_slice: Vec<_> =
            issued.iter().map(|issued| issued.certificate.serial().to_string()).collect();
        fs::write(markers.join(format!("{SLICE}{slice}")), of_slice.join(" ")).expect("a file");
        serials.extend(of_slice);
    }
    batch.finish().await?;
    Ok(serials.join(" "))
}

/// Takes the job up again: it ends with each row once, what was acknowledged is what comes again, and
/// each certificate has its row's key.
pub(crate) async fn take_up(manager: &CertificateManager, markers: &Path) {
    let acknowledged: BTreeMap<usize, String> = (0..SLICES)
        .filter_map(|slice| {
            let told = fs::read_to_string(markers.join(format!("{SLICE}{slice}"))).ok()?;
            Some((slice, told))
        })
        .collect();
    let serials = issue(manager, "job", SLICES, markers).await.expect("the job goes on");
    let serials: Vec<_> = serials.split(' ').collect();
    for (slice, told) in acknowledged {
        let told: Vec<_> = told.split(' ').collect();
        assert_eq!(serials[slice * SIZE..][..SIZE], told, "slice {slice}");
    }
    assert_eq!(serials.iter().collect::<HashSet<_>>().len(), SIZE * SLICES);
    for ((row, key), serial) in (0..).zip(keys(markers)).zip(&serials) {
        let filter = ListFilter { principal: Some(principal(row)), ..ListFilter::default() };
        let found = manager.list(filter).await.expect("a list");
        assert_eq!(found.len(), 1, "row {row}");
        assert_eq!((&*found[0].serial, found[0].status), (*serial, CertificateStatus::Active));
        let bundle = manager.bundle(serial).await.expect("a certificate");
        assert_eq!(bundle.certificate.public_key().expect("a key"), key);
    }
}

/// Revokes all that prod_ca_1 issued.
pub(crate) async fn revoke_all(manager: &CertificateManager) -> Result<BatchRevocation, Error> {
    let which = Selection::Ca("prod_ca_1".to_owned());
    let request = BatchRevokeRequest {
        which,
        reason: RevocationReason::Superseded,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    manager.revoke_batch(request).await
}
