//! Replays what fuzzing found worth keeping, and the same with bytes cut off and changed.

#[expect(unreachable_pub, reason = "the fuzz crate, which owns the file, exports them")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let input = fs::read(entry.expect("an entry").path()).expect("an input");
        run(&input);
        // Every length octet and tag is among the first of some value: change a few of them all.
        for at in (0..input.len()).step_by(1 + input.len() / 40) {
            let mut changed = input.clone();
            changed[at] ^= 0x81;
            run(&changed);
            run(&input[..at]);
        }
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", folder.display());
}

#[test]
fn certificates() {
    replay("certificate", targets::certificate);
}

#[test]
fn crls() {
    replay("crl", targets::crl);
}

#[test]
fn ocsp_responses() {
    replay("ocsp", targets::ocsp);
}

#[test]
fn chains() {
    replay("chain", targets::chain);
}

#[test]
fn names() {
    replay("names", targets::names);
}
