//! The trust manager that Java's TLS uses, through `judges/java/Judge.java`.

use std::process::Command;

use crate::build;
use crate::chain::{Chain, Verdict};
use crate::process::run;

/// Path, lists, purpose and host name as a Java TLS peer checks them; one run for all chains.
///
/// # Panics
/// If the program cannot be compiled or gives no verdict.
pub fn verify_all(chains: &[&Chain]) -> Vec<Verdict> {
    let mut command = program("java", "Judge");
    command.args(Chain::flags_of(chains, "-"));
    let output = run(&mut command).expect_success("java Judge");
    Verdict::from_answer(&output.stdout, chains.len())
}

/// A command that runs a class of `judges/java`; `name` is that of the folder for its classes.
pub(crate) fn program(name: &str, class: &str) -> Command {
    let file = build::source("java").join(format!("{class}.java"));
    let classes = build::once(name, &file, |folder| {
        run(Command::new("javac").arg("-d").arg(folder).arg(&file)).expect_success("javac");
    });
    let mut command = Command::new("java");
    // A run is short: compiling its code well, in parallel, costs more than it saves.
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]).arg(classes).arg(class);
    command
}
