//! Every command that the documents show, run as it stands there.
//!
//! The `sh` blocks of a document run one after the other in one shell, and each command has to
//! succeed. In `console` blocks, lines after `$ ` are commands; one whose output is shown to start with
//! `error:` or `refused:` has to fail. Blocks of any other kind are not commands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustmq_conformance::Product;

#[test]
fn every_command_in_the_documents_works() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let mut documents = vec![workspace.join("README.md")];
    documents.extend(files_of(&workspace.join("docs")));
    let scripts: Vec<_> = documents
        .iter()
        .map(|document| (document, script(&fs::read_to_string(document).expect("a document"))))
        .filter(|(_, script)| !script.is_empty())
        .collect();
    assert!(scripts.len() > 1, "only {} documents show commands", scripts.len());
    for (document, script) in scripts {
        run(document, &script);
    }
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder of documents");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files
}

/// Runs a document's script in a folder of its own, with `rustmq-admin` at hand.
fn run(document: &Path, script: &str) {
    let product = Product::empty();
    let folder = product.path("work");
    fs::create_dir(&folder).expect("a folder for the document");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    // A document that shows files of its own with the passphrase gets no second source of it.
    if !script.contains("--passphrase-file") {
        command.env("RUSTMQ_CA_PASSPHRASE", "correct horse battery staple");
    }
    let output = command
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(&folder)
        .env("PATH", format!("{}:{path}", product.program_folder().display()))
        .env("HOME", &folder)
        .env_remove("RUSTMQ_DATA_DIR")
        .env_remove("XDG_DATA_HOME")
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    assert!(
        output.status.success(),
        "{}: {}\n{}\n{}",
        document.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What a document may count on that does not begin with a hierarchy of its own.
const GIVEN: &str = "rustmq-admin ca init --cn 'RustMQ Root CA'
rustmq-admin ca intermediate --parent-ca root_ca_1 --cn 'Production CA'
rustmq-admin certs issue --principal app@example.com --role client --ca-id prod_ca_1 --output-dir given
cp given/tls.crt client.crt
";

/// The commands of a document as one script that says which of them runs.
fn script(document: &str) -> String {
    let commands = commands(document);
    match commands.is_empty() || commands.contains("rustmq-admin ca init") {
        true => commands,
        false => format!("{GIVEN}{commands}"),
    }
}

fn commands(document: &str) -> String {
    let mut script = String::new();
    for (kind, block) in blocks(document) {
        match kind {
            "sh" => script.push_str(&format!("set -x\n{block}\nset +x\n")),
            "console" => transcript(block).iter().for_each(|(command, fails)| {
                let line = match fails {
                    false => format!("set -x\n{command}\nset +x\n"),
                    true => format!(
                        "if {command}\nthen echo 'this should have been refused' >&2; exit 99; fi\n"
                    ),
                };
                script.push_str(&line);
            }),
            _ => {}
        }
    }
    script
}

/// The fenced blocks with the word behind their fence.
fn blocks(document: &str) -> Vec<(&str, &str)> {
    let mut parts = document.split("\n```");
    parts.next();
    let mut blocks = Vec::new();
    while let (Some(block), _) = (parts.next(), parts.next()) {
        if let Some((kind, body)) = block.split_once('\n') {
            blocks.push((kind.trim(), body));
        }
    }
    blocks
}

/// The commands of a `console` block, and whether each is shown to be refused.
fn transcript(block: &str) -> Vec<(String, bool)> {
    let mut commands: Vec<(String, bool)> = Vec::new();
    let mut continued = false;
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), false));
        } else if let Some((command, fails)) = commands.last_mut() {
            if continued {
                command.push('\n');
                command.push_str(line);
            } else {
                *fails |= line.starts_with("error:") || line.starts_with("refused:");
            }
        }
        let in_command = continued || line.starts_with("$ ");
        continued = in_command && line.ends_with('\\');
    }
    commands
}

#[test]
fn blocks_and_transcripts_are_understood() {
    let document = "text\n```sh\na\nb\n```\nmore\n```text\nno\n```\n```console\n$ c \\\n  d\nout\n$ e\nerror: x\n```\n";
    let script = commands(document);
    assert!(script.contains("a\nb") && script.contains("c \\\n  d") && !script.contains("no\n"));
    assert!(script.contains("if e\nthen"));
    assert!(!script.contains("out"));
}
