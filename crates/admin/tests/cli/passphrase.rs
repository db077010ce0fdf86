//! Where the passphrase comes from: each source, two at once, none, and the terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::workbench::{PASSPHRASE, Run, Workbench};

const INIT: [&str; 4] = ["ca", "init", "--cn", "R"];

/// A working directory with a passphrase file of the owner's alone.
fn with_file(content: &[u8]) -> Workbench {
    let bench = Workbench::new();
    let path = bench.write("pass", content);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    bench
}

fn crl(bench: &Workbench) -> assert_cmd::Command {
    let mut command = bench.bare();
    command.args(["ca", "crl", "--ca-id", "root_ca_1"]);
    command
}

#[test]
fn a_file_loses_one_newline_and_nothing_else() {
    let bench = with_file(b"with space \n");
    let run = Run::of(bench.bare().args(INIT).args(["--passphrase-file", "pass"]));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(!run.stderr.contains("readable by others"));
    let open = |value: &str| Run::of(crl(&bench).env("RUSTMQ_CA_PASSPHRASE", value)).code;
    assert_eq!(open("with space "), 0);
    assert_eq!(open("with space"), 4);
}

#[test]
fn a_file_that_others_can_read_is_pointed_out() {
    let bench = with_file(b"secret");
    fs::set_permissions(bench.path("pass"), fs::Permissions::from_mode(0o644)).unwrap();
    let run = Run::of(bench.bare().args(INIT).args(["--passphrase-file", "pass"]));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("readable by others (chmod 600 pass)"), "{}", run.stderr);
}

#[test]
fn standard_input_is_a_file_descriptor_too() {
    let bench = Workbench::new();
    let run =
        Run::of(bench.bare().args(INIT).args(["--passphrase-fd", "0"]).write_stdin("secret\n"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(Run::of(crl(&bench).env("RUSTMQ_CA_PASSPHRASE", "secret")).code, 0);
}

#[test]
fn a_systemd_credential_is_found() {
    let bench = with_file(b"secret\n");
    fs::create_dir(bench.path("credentials")).unwrap();
    fs::rename(bench.path("pass"), bench.path("credentials/rustmq-ca-passphrase")).unwrap();
    let mut command = bench.bare();
    command.env("CREDENTIALS_DIRECTORY", bench.path("credentials")).args(INIT);
    let run = Run::of(&mut command);
    assert_eq!(run.code, 0, "{}", run.stderr);
    Run::of(command.env("RUSTMQ_CA_PASSPHRASE", "secret"))
        .refused(2, &["the systemd credential", "RUSTMQ_CA_PASSPHRASE", "give one"]);
}

#[test]
fn two_sources_are_a_usage_error() {
    let bench = with_file(b"secret");
    let file = ["--passphrase-file", "pass"];
    Run::of(bench.command(&INIT).args(file))
        .refused(2, &["--passphrase-file pass", "RUSTMQ_CA_PASSPHRASE"]);
    let both = Run::of(bench.bare().args(INIT).args(file).args(["--passphrase-fd", "0"]));
    both.refused(2, &["--passphrase-fd"]);
    assert!(!bench.data().exists(), "nothing was written");
}

#[test]
fn without_terminal_and_source_the_error_names_the_ways() {
    let bench = Workbench::new();
    Run::of(bench.bare().args(INIT)).refused(
        4,
        &[
            "on a terminal",
            "--passphrase-file",
            "--passphrase-fd",
            "rustmq-ca-passphrase",
            "RUSTMQ_CA_PASSPHRASE",
        ],
    );
    assert!(!bench.data().exists(), "nothing was written");
}

#[test]
fn an_empty_one_is_refused_and_a_wrong_one_fails_at_once() {
    let bench = Workbench::new();
    Run::of(bench.bare().args(INIT).env("RUSTMQ_CA_PASSPHRASE", ""))
        .refused(4, &["the passphrase is empty"]);
    bench.ok(&INIT);
    Run::of(crl(&bench).env("RUSTMQ_CA_PASSPHRASE", "wrong"))
        .refused(4, &["does not open the CA keys"]);
    Run::of(bench.bare().args(["ca", "init", "--cn", "S"]).env("RUSTMQ_CA_PASSPHRASE", "wrong"))
        .refused(4, &["does not open the CA keys"]);
    assert_eq!(bench.json(&["ca", "list"])["cas"].as_array().unwrap().len(), 1);
}

#[test]
fn a_file_that_is_missing_or_no_text_is_named() {
    let bench = with_file(b"\xff\xfe");
    Run::of(bench.bare().args(INIT).args(["--passphrase-file", "none"]))
        .refused(4, &["--passphrase-file none"]);
    Run::of(bench.bare().args(INIT).args(["--passphrase-file", "pass"])).refused(4, &["not UTF-8"]);
}

#[test]
fn the_passphrase_is_changed_and_the_old_one_opens_nothing() {
    let bench = with_file(b"new one\n");
    bench.ok(&INIT);
    let change = ["ca", "passphrase", "--new-passphrase-file", "pass"];
    let dry = bench.json(&[&change[..], &["--dry-run"]].concat());
    assert_eq!((&dry["keys"], &dry["dry_run"]), (&1.into(), &true.into()));
    assert_eq!(Run::of(crl(&bench).env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE)).code, 0);
    let changed = bench.json(&change);
    assert_eq!(changed["keys"], 1);
    assert_eq!(Run::of(crl(&bench).env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE)).code, 4);
    assert_eq!(Run::of(crl(&bench).env("RUSTMQ_CA_PASSPHRASE", "new one")).code, 0);
}

#[test]
fn changing_it_without_a_terminal_needs_a_source_for_the_new_one() {
    let bench = Workbench::new();
    bench.ok(&INIT);
    bench.run(&["ca", "passphrase"]).refused(4, &["--new-passphrase-file"]);
    assert_eq!(Run::of(crl(&bench).env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE)).code, 0);
}

/// The question on a real terminal.
mod terminal {
    use std::io::{Read, Write};
    use std::os::fd::OwnedFd;
    use std::process::{Child, Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// The program on a pseudo-terminal of its own.
    struct OnTerminal {
        child: Child,
        screen: std::fs::File,
        seen: String,
    }

    impl OnTerminal {
        fn start(bench: &Workbench, arguments: &[&str]) -> Self {
            let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&controller).unwrap();
            unlockpt(&controller).unwrap();
            let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
            let end = || {
                Stdio::from(OwnedFd::from(
                    fs::File::options().read(true).write(true).open(&name).unwrap(),
                ))
            };
            let child = Command::new(assert_cmd::cargo::cargo_bin("rustmq-admin"))
                .args(arguments)
                .env_clear()
                .env("RUSTMQ_DATA_DIR", bench.data())
                .current_dir(bench.path(""))
                .stdin(end())
                .stdout(end())
                .stderr(end())
                .spawn()
                .unwrap();
            Self { child, screen: controller.into(), seen: String::new() }
        }

        /// Reads until the screen shows `text`.
        fn wait_for(&mut self, text: &str) {
            let mut bytes = [0; 1024];
            while !self.seen.contains(text) {
                let read = self.screen.read(&mut bytes).unwrap_or(0);
                assert!(read > 0, "the program ended; the screen shows {:?}", self.seen);
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        }

        fn enter(&mut self, keys: &str) {
            self.screen.write_all(keys.as_bytes()).unwrap();
        }

        fn end(mut self) -> (i32, String) {
            let mut bytes = [0; 1024];
            // Reading fails when the other end is closed.
            while let Ok(read @ 1..) = self.screen.read(&mut bytes) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            (self.child.wait().unwrap().code().unwrap(), self.seen)
        }
    }

    #[test]
    fn a_new_passphrase_is_asked_twice_and_never_shown() {
        let bench = Workbench::new();
        let mut program = OnTerminal::start(&bench, &INIT);
        program.wait_for("New passphrase for the CA keys in");
        program.enter("typed in silence\n");
        program.wait_for("Again:");
        program.enter("typed in silence\n");
        let (code, screen) = program.end();
        assert_eq!(code, 0, "{screen}");
        assert!(!screen.contains("silence"), "{screen}");
        let run = Run::of(crl(&bench).env("RUSTMQ_CA_PASSPHRASE", "typed in silence"));
        assert_eq!(run.code, 0, "{}", run.stderr);
    }

    #[test]
    fn two_that_differ_are_refused() {
        let bench = Workbench::new();
        let mut program = OnTerminal::start(&bench, &INIT);
        program.wait_for("New passphrase");
        program.enter("one\n");
        program.wait_for("Again:");
        program.enter("another\n");
        let (code, screen) = program.end();
        assert_eq!(code, 4, "{screen}");
        assert!(screen.contains("the two passphrases differ"), "{screen}");
    }

    #[test]
    fn an_existing_one_is_asked_once_and_ctrl_c_ends_the_question() {
        let bench = Workbench::new();
        bench.ok(&INIT);
        let mut program = OnTerminal::start(&bench, &["ca", "crl", "--ca-id", "root_ca_1"]);
        program.wait_for("Passphrase of the CA keys in");
        program.enter(&format!("{PASSPHRASE}\n"));
        assert_eq!(program.end().0, 0);
        let mut program = OnTerminal::start(&bench, &["ca", "crl", "--ca-id", "root_ca_1"]);
        program.wait_for("Passphrase of the CA keys in");
        program.enter("half\u{3}");
        let (code, screen) = program.end();
        assert_eq!(code, 130, "{screen}");
        assert!(screen.contains("interrupted: no passphrase was given"), "{screen}");
    }
}
