//! The demonstration holds, and would say so if it did not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustmq_conformance::product::program;
use rustmq_conformance::{Judge, Output, require, run};

/// Runs `scripts/demo.sh` with the `rustmq-admin` of a folder.
fn demonstrate(folder: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/demo.sh");
    run(Command::new("bash").arg(script).env("DEMO_BIN", folder))
}

#[test]
fn the_demonstration_holds() {
    if !require(Judge::OpenSsl) {
        return;
    }
    let program = program();
    let output = demonstrate(program.parent().expect("a program lies in a folder"));
    let shown = output.expect_success("scripts/demo.sh").stdout;
    for step in ["certs issue", "rekorb olleh", "certificate revoked", "ca tree"] {
        assert!(shown.contains(step), "{step:?} was not shown: {shown}");
    }
}

/// With a `rustmq-admin` that says yes to a revocation and does nothing.
#[test]
fn the_demonstration_notices_a_revocation_that_is_none() {
    if !require(Judge::OpenSsl) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let impostor = folder.path().join("rustmq-admin");
    let real = program().display().to_string();
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *'certs revoke'*) exit 0 ;; esac\nexec '{real}' \"$@\"\n"
    );
    fs::write(&impostor, text).expect("the folder is writable");
    fs::set_permissions(&impostor, Permissions::from_mode(0o700)).expect("the file is ours");
    let output = demonstrate(folder.path());
    assert!(!output.success, "{}", output.stdout);
    assert!(output.stderr.contains("accepted a revoked certificate"), "{}", output.stderr);
}
