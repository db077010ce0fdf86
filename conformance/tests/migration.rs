//! The specification's migration from a deployment whose certificates all signed themselves, walked from
//! its first step to its last, with OpenSSL as the judge.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustmq_conformance::openssl::{Server, openssl};
use rustmq_conformance::{Judge, Output, Product, Purpose, Verdict, require, run};
use serde_json::Value;

const BROKER: &str = "broker-01.example.com";

/// "Backup Existing Certificates", as written.
const BACKUP: &str = "rustmq-admin certs export --all --output certificates-backup.tar.gz";

/// "Regenerate Certificate Infrastructure", as written.
const REGENERATE: [&str; 3] = [
    r#"rustmq-admin ca init --cn "RustMQ Root CA" --org "YourOrg""#,
    r#"rustmq-admin ca intermediate --parent-ca root_ca_1 --cn "Production CA""#,
    r#"rustmq-admin certs issue --principal "broker-01" --role broker --ca-id prod_ca_1"#,
];

/// A chain and its key.
struct Identity {
    chain: PathBuf,
    key: PathBuf,
}

/// Runs a command line as a shell would.
fn shell(product: &Product, line: &str) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", product.program_folder().display());
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(product.path("")).env("PATH", path);
    command.env("RUSTMQ_DATA_DIR", product.path("data"));
    run(command.env("RUSTMQ_CA_PASSPHRASE", "correct horse battery staple"))
}

fn object(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", output.text()))
}

/// Root, intermediate, broker and client, each signed by its own key: the specification's fault.
fn old_deployment(product: &Product) -> [Identity; 2] {
    fs::create_dir(product.path("old")).expect("a folder");
    let make = |name: &str, subject: &str, extensions: &[&str]| {
        let [key, chain] = ["key", "pem"].map(|end| product.path(&format!("old/{name}.{end}")));
        let fixed = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let mut arguments: Vec<String> = fixed.map(str::to_owned).to_vec();
        arguments.extend(["-nodes", "-days", "90", "-subj", subject].map(str::to_owned));
        for (flag, path) in [("-keyout", &key), ("-out", &chain)] {
            arguments.extend([flag.to_owned(), path.display().to_string()]);
        }
        for extension in extensions {
            arguments.extend(["-addext".to_owned(), (*extension).to_owned()]);
        }
        openssl(arguments).expect_success("openssl req");
        Identity { chain, key }
    };
    make("root-ca", "/CN=Old Root CA", &[]);
    make("intermediate-ca", "/CN=Old Intermediate CA", &[]);
    let end = ["basicConstraints=critical,CA:FALSE", "keyUsage=digitalSignature"];
    let san = format!("subjectAltName=DNS:{BROKER}");
    let broker = make("broker-01", "/CN=broker-01", &[&end[..], &[&san]].concat());
    let email = "subjectAltName=email:client@company.com";
    [broker, make("client", "/CN=client@company.com", &[&end[..], &[email]].concat())]
}

/// The specification's check of a chain, with whatever the peer trusts.
fn verifies(anchors: &Path, chain: &Path) -> bool {
    let [anchors, chain] = [anchors, chain].map(|path| path.display().to_string());
    let flags = ["verify", "-no-CApath", "-no-CAstore", "-CAfile", &anchors, "-untrusted", &chain];
    openssl(flags.into_iter().chain([&chain[..]])).success
}

/// Whether a client and a server who trust the same anchors come to terms. In TLS 1.2 the client hears
/// of a refusal before the handshake ends.
fn connect(anchors: &Path, server: &Identity, client: &Identity) -> bool {
    let server = Server::start_with(anchors, &server.chain, &server.key);
    let mut command = Command::new("openssl");
    command.args(["s_client", "-tls1_2", "-verify_return_error", "-no-CApath", "-no-CAstore"]);
    command.args(["-verify_hostname", BROKER, "-connect", &format!("127.0.0.1:{}", server.port())]);
    command.arg("-CAfile").arg(anchors).arg("-cert").arg(&client.chain);
    command.arg("-cert_chain").arg(&client.chain);
    run(command.arg("-key").arg(&client.key)).success
}

fn new_identity(product: &Product, principal: &str) -> Identity {
    let file = |name| product.path(&format!("new/certificates/{principal}/{name}"));
    Identity { chain: file("tls.crt"), key: file("tls.key") }
}

#[test]
fn the_specified_migration_from_its_first_step_to_its_last() {
    if !require(Judge::OpenSsl) {
        return;
    }
    let product = Product::empty();
    let [old_broker, old_client] = old_deployment(&product);
    let old_root = product.path("old/root-ca.pem");
    assert!(!verifies(&old_root, &old_broker.chain), "the fault is there");

    // The fault is found, and named.
    let scanned = product.run(["certs", "scan", "old", "--format", "json"]);
    assert_eq!(scanned.code, Some(1), "{}", scanned.text());
    let findings = object(&scanned)["findings"].as_array().expect("a list").clone();
    let named: Vec<_> = findings.iter().map(|f| (f["code"].as_str(), f["file"].as_str())).collect();
    for file in ["broker-01.pem", "client.pem"] {
        assert!(named.contains(&(Some("self_signed_end_entity"), Some(file))), "{named:?}");
    }

    // Back up existing certificates; regenerate the infrastructure.
    shell(&product, BACKUP).expect_success(BACKUP);
    assert!(product.path("certificates-backup.tar.gz").exists());
    for line in REGENERATE {
        shell(&product, line).expect_success(line);
    }
    let issued = product.found("broker-01");
    assert!(verifies(&issued.file("root.crt"), &issued.file("tls.crt")));

    // The other principals, by a plan that a person reviews.
    product.ok([
        "migrate",
        "plan",
        "--from",
        "old",
        "--output",
        "plan.toml",
        "--ca-id",
        "prod_ca_1",
    ]);
    let plan = product.path("plan.toml");
    let text = fs::read_to_string(&plan).expect("the plan");
    let refused = product.run(["migrate", "apply", "--plan", "plan.toml", "--output", "new"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("the role of broker-01 (broker-01.pem) is empty"));
    let text = text.replacen("role = \"\"", "role = \"broker\"", 1);
    fs::write(&plan, text.replacen("role = \"\"", "role = \"client\"", 1)).expect("written");
    product.ok(["migrate", "apply", "--plan", "plan.toml", "--output", "new"]);

    rollout(&product, &old_broker, &old_client);
}

/// "Update Client Configurations" and "Gradual Rollout".
fn rollout(product: &Product, old_broker: &Identity, old_client: &Identity) {
    let bundle = product.path("new/trust-bundle.pem");
    let [broker, client] =
        ["broker-01", "client@company.com"].map(|principal| new_identity(product, principal));
    // New certificates alongside old ones: whoever has the bundle accepts both.
    for identity in [old_broker, old_client, &broker, &client] {
        assert!(verifies(&bundle, &identity.chain), "{}", identity.chain.display());
    }
    for server in [old_broker, &broker] {
        for client in [old_client, &client] {
            assert!(connect(&bundle, server, client), "{}", server.chain.display());
        }
    }
    new_is_what_the_specification_asks_for(product, &client);

    // Remove old certificates after verification.
    let status = product.ok(["migrate", "status", "--output", "new", "--format", "json"]);
    assert_eq!(object(&status)["stage"], "verified");
    product.ok(["migrate", "apply", "--plan", "plan.toml", "--output", "new", "--retire"]);
    let retired = |name: &str, end: &str| product.path(&format!("new/retired/{name}.{end}"));
    let old = |name| Identity { chain: retired(name, "pem"), key: retired(name, "key") };
    let (old_broker, old_client) = (old("broker-01"), old("client"));
    assert!(connect(&bundle, &broker, &client));
    assert!(!connect(&bundle, &broker, &old_client), "the old client is refused");
    assert!(!connect(&bundle, &old_broker, &client), "the old broker is refused");
    assert!(!verifies(&bundle, &old_client.chain));
    for folder in ["old", "new/certificates"] {
        product.ok(["certs", "scan", folder]);
    }
    let undo = product.run(["migrate", "undo", "--output", "new"]);
    assert_eq!(undo.code, Some(1), "{}", undo.text());
}

/// The commands under "You can verify proper certificate signing", and every other judge at hand.
fn new_is_what_the_specification_asks_for(product: &Product, client: &Identity) {
    let copy = |from: PathBuf, to: &str| fs::copy(from, product.path(to)).expect("copied");
    copy(product.certificate_of("root_ca_1"), "root-ca.pem");
    copy(product.certificate_of("prod_ca_1"), "intermediate-ca.pem");
    copy(client.chain.clone(), "client-cert.pem");
    for line in [
        "openssl verify -CAfile root-ca.pem intermediate-ca.pem",
        "openssl verify -CAfile root-ca.pem -untrusted intermediate-ca.pem client-cert.pem",
        "openssl verify -verbose -CAfile root-ca.pem -untrusted intermediate-ca.pem client-cert.pem",
    ] {
        let output = shell(product, line).expect_success(line);
        assert!(output.stdout.trim().ends_with(": OK"), "{}", output.text());
    }
    let chains = [
        product.found("new/certificates/broker-01").chain(Purpose::Server(BROKER.to_owned())),
        product.found("new/certificates/client@company.com").chain(Purpose::Client),
    ];
    for judge in Judge::OF_PATHS.into_iter().filter(|judge| require(*judge)) {
        for verdict in judge.verify_all(&chains.each_ref()) {
            assert_eq!(verdict, Verdict::Accepted, "{judge:?}");
        }
    }
}
