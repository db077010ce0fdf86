//! Go's `crypto/x509`, through `judges/go`.

use std::path::PathBuf;
use std::process::Command;

use crate::build;
use crate::chain::{Chain, Verdict};
use crate::judges::pinned;
use crate::process::run;

/// Path, purpose and host name by `Certificate.Verify`; lists by `RevocationList`.
///
/// # Panics
/// If the program cannot be compiled or gives no verdict.
pub fn verify(chain: &Chain) -> Verdict {
    let mut command = Command::new(program("go", "."));
    command.args(chain.flags("-"));
    let output = run(&mut command).expect_success("the Go judge");
    Verdict::from_answer(&output.stdout, 1).remove(0)
}

/// A package of `judges/go`, compiled.
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    let source = build::source("go");
    let folder = build::once(name, &source.join(package).join("main.go"), |folder| {
        let mut command = Command::new(pinned("go"));
        command.args(["build", "-o"]).arg(folder.join("judge")).arg(package).current_dir(&source);
        // The program needs the standard library alone, so nothing may be asked of a network.
        command.env("GOFLAGS", "-mod=mod").env("GOPROXY", "off").env("GOTOOLCHAIN", "local");
        command.env("CGO_ENABLED", "0").env("GOCACHE", build::target().join("judges/go-cache"));
        run(&mut command).expect_success("go build");
    });
    folder.join("judge")
}
