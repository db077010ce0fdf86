//! `rustmq-admin certs batch-issue` as a whole: user and system time of the process, from a CSV to a
//! file of lines with chain and key, against the raw key and signature.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use tempfile::TempDir;

use crate::measure::{Table, Target, on_all_cores};

/// Rows of a run. The process starts once and opens the CA's key once: 0.1 s that a batch of this
/// size bears as a microsecond a row.
const ROWS: u32 = 100_000;
/// Runs on an empty store, each followed by one on what it left.
const ROUNDS: usize = 3;
/// Raw keys and signatures in a round.
const RAW: u32 = 20_000;

/// Measures and adds the rows.
pub(crate) fn run(table: &mut Table) {
    let program = program();
    let [mut raw, mut empty, mut stored] = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let fleet = Fleet::new(&program);
        raw.push(raw_microseconds());
        empty.push(fleet.issue("first"));
        raw.push(raw_microseconds());
        stored.push(fleet.issue("second"));
    }
    let raw = median(raw);
    let mut row = |name, times| {
        let one = median(times);
        let detail = format!("raw keygen + sign {raw:.1} us / {one:.1} us of the process");
        table.add(name, raw / one, detail, Target::AtLeast(0.60));
        table.plot(name, one);
    };
    row("certs batch-issue, empty store", empty);
    row("certs batch-issue, 100,000 stored", stored);
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The program, built beside this one.
fn program() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--release", "--locked", "--quiet", "--package", "rustmq-admin"];
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert!(Command::new(cargo).args(build).current_dir(workspace).status().unwrap().success());
    std::env::current_exe().unwrap().with_file_name("rustmq-admin")
}

/// CPU microseconds of a new P-256 key and a signature, on all cores as the program's.
fn raw_microseconds() -> f64 {
    let signing = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let message = [7; 450];
    on_all_cores(RAW, &|| {
        black_box(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap());
        let signature = signing.sign(&SystemRandom::new(), &message).unwrap();
        assert!(signature.as_ref().len() > 60);
    })
}

/// A data directory, and the rows of a fleet.
struct Fleet {
    folder: TempDir,
    program: PathBuf,
}

impl Fleet {
    fn new(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rows =
            (1..=ROWS).map(|n| format!("broker-{n}.example.com,broker,dns:b{n}.example.net\n"));
        let csv = format!("principal,role,san\n{}", rows.collect::<String>());
        fs::write(folder.path().join("fleet.csv"), csv).unwrap();
        let fleet = Self { folder, program: program.to_owned() };
        fleet.admin(&["ca", "init", "--cn", "Bench Root CA"]);
        fleet.admin(&["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Production CA"]);
        fleet
    }

    fn admin(&self, arguments: &[&str]) {
        let output = Command::new(&self.program)
            .args(arguments)
            .env("RUSTMQ_DATA_DIR", self.folder.path().join("data"))
            .env("RUSTMQ_CA_PASSPHRASE", "bench")
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Issues to the fleet; CPU microseconds of the process for one row.
    fn issue(&self, job: &str) -> f64 {
        let file = format!("{job}.ndjson");
        let start = children_seconds();
        let places = ["--input", "fleet.csv", "--output", &file, "--job", job];
        self.admin(&[&["certs", "batch-issue", "--ca-id", "prod_ca_1"], &places[..]].concat());
        let seconds = children_seconds() - start;
        let lines = fs::read_to_string(self.folder.path().join(&file)).unwrap();
        assert_eq!(
            lines.lines().filter(|line| line.contains("PRIVATE KEY")).count(),
            ROWS as usize
        );
        seconds * 1e6 / f64::from(ROWS)
    }
}

/// User and system time of all children that were waited for (proc(5), `stat`).
fn children_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The second field, the name in parentheses, may have spaces; the third is the first after it.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(13).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    // A tick is a hundredth of a second on every Linux (USER_HZ).
    ticks.sum::<f64>() / 100.0
}
