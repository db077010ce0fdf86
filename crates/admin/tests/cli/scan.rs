//! `certs scan`: each finding with a planted fault, a sound deployment without any, hostile archives.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::deployment::{CA, Deployment, LEAF};
use crate::workbench::{Workbench, openssl, text};

/// Scans, and gives exit code and object.
fn scan(bench: &Workbench, arguments: &[&str]) -> (i32, Value) {
    let run = bench.run(&[&["certs", "scan", "--format", "json"][..], arguments].concat());
    let object =
        serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.stderr));
    (run.code, object)
}

/// The codes and files of the findings.
fn found(object: &Value) -> Vec<(String, String)> {
    let findings = object["findings"].as_array().unwrap();
    let pair = |f: &Value| (text(&f["code"]).to_owned(), text(&f["file"]).to_owned());
    findings.iter().map(pair).collect()
}

/// Expects exactly these findings, and the exit code that goes with them.
#[track_caller]
fn finds(bench: &Workbench, arguments: &[&str], expected: &[(&str, &str)], code: i32) -> Value {
    let (exit, object) = scan(bench, arguments);
    let expected: Vec<_> =
        expected.iter().map(|(code, file)| ((*code).to_owned(), (*file).to_owned())).collect();
    assert_eq!(found(&object), expected, "{object:#}");
    assert_eq!(exit, code);
    object
}

#[test]
fn a_sound_deployment_has_no_findings() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let broker = fs::read(deployment.path("broker-01.pem")).unwrap();
    let root = fs::read(deployment.path("root.pem")).unwrap();
    fs::write(
        deployment.path("chain.pem"),
        [b"text before\n", &broker[..], b"\xff\n", &root].concat(),
    )
    .unwrap();
    openssl(&[
        "x509",
        "-in",
        deployment.path("app.pem").to_str().unwrap(),
        "-outform",
        "DER",
        "-out",
        deployment.path("app.der").to_str().unwrap(),
    ]);
    let object = finds(&bench, &["old"], &[], 0);
    let counts = &object["counts"];
    assert_eq!((&counts["certificates"], &counts["keys"]), (&3.into(), &3.into()), "each once");
    let app = &object["certificates"][0];
    assert_eq!(app["files"], serde_json::json!(["app.der", "app.pem"]));
    assert_eq!(app["key_files"], serde_json::json!(["app.key"]));
    let shown = bench.ok(&["certs", "scan", "old"]).stdout;
    assert!(shown.contains("nothing to find fault with"), "{shown}");
    assert!(!bench.data().exists(), "no data directory is made");
}

#[test]
fn what_the_authority_delivers_has_no_findings() {
    let bench = Workbench::with_hierarchy();
    bench.broker("broker-01");
    bench.ok(&[
        "certs",
        "issue",
        "--principal",
        "app",
        "--role",
        "client",
        "--ca-id",
        "prod_ca_1",
        "--encoding",
        "der",
    ]);
    finds(&bench, &["."], &[], 0);
}

#[test]
fn the_fault_of_the_specification_is_found() {
    let bench = Workbench::new();
    Deployment::faulty(&bench, "old");
    let object = finds(
        &bench,
        &["old"],
        &[
            ("self_signed_end_entity", "broker-01.pem"),
            ("self_signed_end_entity", "client.pem"),
            ("unconnected_ca", "intermediate.pem"),
            ("unconnected_ca", "root.pem"),
        ],
        1,
    );
    let first = &object["findings"][0];
    assert_eq!((text(&first["severity"]), text(&first["subject"])), ("error", "CN=broker-01"));
    assert!(text(&first["remedy"]).contains("migrate plan"), "{first}");
    assert_eq!(text(&first["fingerprint"]).len(), 64);
}

#[test]
fn a_certificate_that_its_stated_issuer_did_not_sign() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    // Another CA of the same name signs, and is then taken away.
    deployment.key("other");
    deployment.self_signed("other", "/CN=Old Root", CA);
    deployment.signed("app", "/CN=app", "other", LEAF);
    fs::remove_file(deployment.path("other.pem")).unwrap();
    fs::remove_file(deployment.path("other.key")).unwrap();
    let object = finds(&bench, &["old"], &[("not_signed_by_issuer", "app.pem")], 1);
    assert!(text(&object["findings"][0]["message"]).contains("CN=Old Root"), "{object:#}");
    // With its real issuer beside it, it is in order.
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    deployment.key("other");
    deployment.self_signed("other", "/CN=Old Root", CA);
    deployment.signed("app", "/CN=app", "other", LEAF);
    finds(&bench, &["old"], &[], 0);
}

#[test]
fn roots_in_a_store_need_not_have_signed_anything() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let mut roots = Vec::new();
    for nth in 0..9 {
        let name = format!("public-{nth}");
        deployment.key(&name);
        deployment.self_signed(&name, &format!("/CN={name}"), CA);
        roots.extend(fs::read(deployment.path(format!("{name}.pem"))).unwrap());
        for end in ["key", "pem"] {
            fs::remove_file(deployment.path(format!("{name}.{end}"))).unwrap();
        }
    }
    fs::write(deployment.path("ca-certificates.crt"), roots).unwrap();
    finds(&bench, &["old"], &[], 0);
}

#[test]
fn of_many_cas_with_one_name_the_right_one_is_found() {
    let bench = Workbench::new();
    let deployment = Deployment::empty(&bench, "old");
    for nth in 10..50 {
        let name = format!("ca-{nth}");
        deployment.key(&name);
        deployment.self_signed(&name, "/CN=Old Root", CA);
    }
    deployment.key("app");
    deployment.signed("app", "/CN=app", "ca-49", LEAF);
    let (_, object) = scan(&bench, &["old"]);
    let found = found(&object);
    assert_eq!(found.len(), 39, "{found:?}");
    assert!(found.iter().all(|(code, file)| code == "unconnected_ca" && file != "ca-49.pem"));
}

#[test]
fn issuers_that_are_absent_or_no_cas() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    fs::remove_file(deployment.path("root.pem")).unwrap();
    fs::remove_file(deployment.path("root.key")).unwrap();
    let absent = [("issuer_not_found", "app.pem"), ("issuer_not_found", "broker-01.pem")];
    finds(&bench, &["old"], &absent, 0);

    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    deployment.key("child");
    deployment.signed("child", "/CN=child", "app", LEAF);
    let object = finds(&bench, &["old"], &[("ca_without_ca_flag", "app.pem")], 1);
    assert!(text(&object["findings"][0]["message"]).contains("signed 1"), "{object:#}");

    let bench = Workbench::new();
    let deployment = Deployment::empty(&bench, "old");
    deployment.key("ca");
    let no_flag = ["keyUsage=critical,keyCertSign", "subjectKeyIdentifier=hash"];
    deployment.self_signed("ca", "/CN=Old", &no_flag);
    finds(&bench, &["old"], &[("ca_without_ca_flag", "ca.pem")], 1);
}

#[test]
fn key_identifiers_that_are_missing() {
    let bench = Workbench::new();
    let deployment = Deployment::empty(&bench, "old");
    deployment.key("root");
    deployment.self_signed(
        "root",
        "/CN=Old Root",
        &["basicConstraints=critical,CA:TRUE", "subjectKeyIdentifier=none"],
    );
    deployment.key("app");
    let bare = ["basicConstraints=critical,CA:FALSE", "authorityKeyIdentifier=none"];
    deployment.signed("app", "/CN=app", "root", &bare);
    let expected =
        [("missing_authority_key_id", "app.pem"), ("missing_subject_key_id", "root.pem")];
    finds(&bench, &["old"], &expected, 0);
}

#[test]
fn weak_keys_and_signatures() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
    deployment.key_of("small", &rsa);
    deployment.signed("small", "/CN=small", "root", LEAF);
    deployment.key("sha1");
    deployment.certificate("sha1", "/CN=sha1", "root", LEAF, &["-sha1"]);
    deployment.key_of("md5", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    deployment.certificate("md5", "/CN=md5", "md5", CA, &["-md5"]);
    // The root of MD5 signed nothing; the one that issued is not blamed for it.
    let expected = [
        ("weak_key", "small.pem"),
        ("weak_signature", "sha1.pem"),
        ("unconnected_ca", "md5.pem"),
        ("weak_signature", "md5.pem"),
    ];
    let object = finds(&bench, &["old"], &expected, 1);
    assert!(text(&object["findings"][0]["message"]).contains("RSA, 1024 bits"), "{object:#}");
    assert_eq!(
        object["findings"][3]["severity"], "warning",
        "a root's own signature is not relied on"
    );
}

#[test]
fn dates_are_judged_at_the_time_that_is_asked_for() {
    let bench = Workbench::new();
    Deployment::sound(&bench, "old");
    let all = |code| [(code, "app.pem"), (code, "broker-01.pem"), (code, "root.pem")];
    finds(&bench, &["old", "--at", "2090-01-01T00:00:00Z"], &all("expired"), 1);
    finds(&bench, &["old", "--at", "2001-01-01T00:00:00Z"], &all("not_yet_valid"), 1);
    finds(&bench, &["old", "--expiring-within", "400"], &all("expires_soon"), 0);
    finds(&bench, &["old", "--expiring-within", "300"], &[], 0);
}

/// What this authority makes, renewed CAs and certificates of 30 days among it, is sound.
#[test]
fn renewed_cas_and_short_lives_are_no_faults() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&[
        "certs",
        "issue",
        "--principal",
        "ops@company.com",
        "--role",
        "admin",
        "--ca-id",
        "prod_ca_1",
    ]);
    bench.ok(&["ca", "export", "root_ca_1", "--output", "first.pem"]);
    bench.ok(&["ca", "renew", "root_ca_1"]);
    bench.ok(&["ca", "export", "root_ca_1", "--output", "second.pem"]);
    let object = finds(&bench, &["."], &[], 0);
    assert_eq!(object["counts"]["certificates"], 4);
    finds(
        &bench,
        &[".", "--expiring-within", "30"],
        &[("expires_soon", "ops@company.com/tls.crt")],
        0,
    );
}

#[test]
fn keys_that_do_not_fit_are_shared_or_open() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    deployment.key("app");
    finds(&bench, &["old"], &[("key_mismatch", "app.key")], 1);

    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    fs::copy(deployment.path("app.key"), deployment.path("twin.key")).unwrap();
    deployment.signed("twin", "/CN=twin", "root", LEAF);
    let object = finds(&bench, &["old"], &[("shared_key", "app.pem")], 1);
    assert!(text(&object["findings"][0]["message"]).contains("CN=twin"), "{object:#}");

    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    deployment.mode("app.key", 0o640);
    let object = finds(&bench, &["old"], &[("open_key", "app.key")], 1);
    assert!(text(&object["findings"][0]["message"]).contains("0640"), "{object:#}");
}

/// In the layouts of `openssl ca` and Easy-RSA keys lie in a folder of their own.
#[test]
fn keys_in_a_folder_of_their_own_are_compared() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    for dir in ["private", "certs", "pki", "pki/private", "pki/issued", "keys"] {
        fs::create_dir(deployment.path(dir)).unwrap();
    }
    let lay =
        |from: &str, to: &str| fs::rename(deployment.path(from), deployment.path(to)).unwrap();
    for (pem, key) in [
        ("certs/broker-01.pem", "private/broker-01.key"),
        ("pki/issued/app.crt", "pki/private/app.key"),
        ("root.pem", "keys/root.key.pem"),
    ] {
        let name = pem.rsplit('/').next().unwrap().split('.').next().unwrap();
        if pem != "root.pem" {
            lay(&format!("{name}.pem"), pem);
        }
        lay(&format!("{name}.key"), key);
    }
    finds(&bench, &["old"], &[], 0);
    for key in ["private/broker-01.key", "pki/private/app.key", "keys/root.key.pem"] {
        deployment.key("other");
        lay("other.key", key);
    }
    let expected = [
        ("key_mismatch", "keys/root.key.pem"),
        ("key_mismatch", "pki/private/app.key"),
        ("key_mismatch", "private/broker-01.key"),
    ];
    finds(&bench, &["old"], &expected, 1);
}

#[test]
fn keys_of_every_form_are_compared_and_encrypted_ones_are_not() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let at = |name: &str| deployment.path(name).display().to_string();
    let convert = |arguments: &[&str]| assert!(openssl(arguments).is_some(), "{arguments:?}");
    deployment.key_of("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    deployment.signed("rsa", "/CN=rsa", "root", LEAF);
    deployment.key_of("ed", &["-algorithm", "ED25519"]);
    deployment.signed("ed", "/CN=ed", "root", LEAF);
    convert(&["rsa", "-traditional", "-in", &at("rsa.key"), "-out", &at("rsa.private.pem")]);
    convert(&["ec", "-in", &at("app.key"), "-out", &at("app.private.pem")]);
    convert(&["ec", "-in", &at("app.key"), "-outform", "DER", "-out", &at("app.private.der")]);
    convert(&["pkcs8", "-topk8", "-in", &at("ed.key"), "-passout", "pass:x", "-out", &at("ed.p8")]);
    let old = ["rsa", "-traditional", "-aes128", "-passout", "pass:x", "-in", &at("rsa.key")];
    convert(&[&old[..], &["-out", &at("rsa.old.pem")]].concat());
    let object = finds(&bench, &["old"], &[], 0);
    assert_eq!(object["counts"]["keys"], 10);
    // The same under another's name.
    for (from, to) in [
        ("rsa.private.pem", "app.key"),
        ("app.private.pem", "ed.key"),
        ("app.private.der", "rsa.key"),
    ] {
        fs::copy(deployment.path(from), deployment.path(to)).unwrap();
    }
    let wrong = ["app.key", "ed.key", "rsa.key"].map(|file| ("key_mismatch", file));
    finds(&bench, &["old"], &wrong, 1);
}

#[test]
fn what_cannot_be_read_is_said() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    fs::write(
        deployment.path("a.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    fs::write(deployment.path("b.crt"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    fs::write(deployment.path("c.p12"), "0").unwrap();
    fs::write(deployment.path("d.txt"), "no certificate").unwrap();
    fs::write(deployment.path("e.pem"), vec![b'0'; 5 << 20]).unwrap();
    symlink("/etc", deployment.path("f")).unwrap();
    let expected = [
        ("unreadable", "a.pem"),
        ("unreadable", "b.crt"),
        ("keystore_not_read", "c.p12"),
        ("link_not_read", "f"),
        ("too_large", "e.pem"),
    ];
    finds(&bench, &["old"], &expected, 0);
}

/// A file whose name says nothing may hold a damaged certificate all the same; words about PEM are none.
#[test]
fn damaged_pem_is_said_whatever_the_file_is_called() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let leaf = fs::read_to_string(deployment.path("app.pem")).unwrap();
    fs::write(deployment.path("cut-off"), &leaf[..200]).unwrap();
    let spoilt = leaf.replacen("MII", "M*I", 1);
    fs::write(deployment.path("spoilt"), spoilt).unwrap();
    let script = "sed -n '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/p' $1\n";
    fs::write(deployment.path("split.sh"), script).unwrap();
    let words = "It begins with -----BEGIN CERTIFICATE----- and a line that says what follows it.";
    fs::write(deployment.path("README"), words).unwrap();
    finds(&bench, &["old"], &[("unreadable", "cut-off"), ("unreadable", "spoilt")], 0);
}

/// As JSON has them: line ends are written as two characters, and strokes may be.
#[test]
fn certificates_and_keys_in_json_are_read() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let read = |name: &str| fs::read_to_string(deployment.path(name)).unwrap();
    let escaped = |text: String| text.replace('/', "\\/").replace('\n', "\\n");
    let (key, certificate) = (escaped(read("app.key")), escaped(read("app.pem")));
    let text = format!("{{\"private_key\": \"{key}\", \"certificate\": \"{certificate}\"}}\n");
    fs::write(deployment.path("account.json"), text).unwrap();
    deployment.mode("account.json", 0o644);
    fs::remove_file(deployment.path("app.key")).unwrap();
    fs::remove_file(deployment.path("app.pem")).unwrap();
    let object = finds(&bench, &["old"], &[("open_key", "account.json")], 1);
    assert_eq!(object["counts"]["keys"], 3);
    assert_eq!(object["counts"]["certificates"], 3);
}

/// What may hold certificates and keys and is not opened is named: nothing is said to be clean.
#[test]
fn what_is_not_opened_is_named() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let key = fs::read(deployment.path("app.key")).unwrap();
    let tar = tar_of("app.key", tar::EntryType::Regular, &key);
    for (name, content) in [
        ("inner.tar.gz", gzip(&tar)),
        ("nameless", gzip(&tar)),
        ("plain.tar", tar),
        ("app.key.gz", gzip(&key)),
        ("x.tar.xz", b"\xfd7zXZ\0".to_vec()),
        ("x.tar.bz2", b"BZh9".to_vec()),
        ("x.zip", b"PK\x03\x04".to_vec()),
        ("notes.gz", gzip(b"nothing")),
    ] {
        fs::write(deployment.path(name), content).unwrap();
    }
    let at = |name: &str| deployment.path(name).display().to_string();
    for (form, bundle) in [("DER", "chain"), ("PEM", "chain.txt")] {
        let made = openssl(&[
            "crl2pkcs7",
            "-nocrl",
            "-certfile",
            &at("app.pem"),
            "-outform",
            form,
            "-out",
            &at(bundle),
        ]);
        assert!(made.is_some());
    }
    let mut expected: Vec<_> =
        ["app.key.gz", "inner.tar.gz", "nameless", "plain.tar", "x.tar.bz2", "x.tar.xz", "x.zip"]
            .map(|file| ("archive_not_read", file))
            .to_vec();
    expected.extend([("keystore_not_read", "chain"), ("keystore_not_read", "chain.txt")]);
    finds(&bench, &["old"], &expected, 0);
    for packed in ["old/x.tar.xz", "old/x.tar.bz2", "old/x.zip"] {
        bench.run(&["certs", "scan", packed]).refused(2, &["in a form that is not read"]);
    }
}

#[test]
fn a_key_of_openssh_is_a_key() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let plain = b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none";
    let pem = pem_rfc7468::encode_string("OPENSSH PRIVATE KEY", pem_rfc7468::LineEnding::LF, plain);
    fs::write(deployment.path("id_host"), pem.unwrap()).unwrap();
    deployment.mode("id_host", 0o644);
    let object = finds(&bench, &["old"], &[("open_key", "id_host")], 1);
    assert_eq!(object["counts"]["keys"], 4);
}

/// A name from elsewhere drives no terminal, in whatever form it is shown.
#[test]
fn names_of_files_reach_no_terminal_as_they_are() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let name = "a\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}1m\u{202e}b.key";
    fs::copy(deployment.path("app.key"), deployment.path(name)).unwrap();
    deployment.mode(name, 0o644);
    for format in ["table", "json", "csv"] {
        let run = bench.run(&["certs", "scan", "old", "--format", format]);
        let raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!run.stdout.contains(raw), "{format}: {:?}", run.stdout);
        assert_eq!(run.code, 1);
    }
    let (_, object) = scan(&bench, &["old"]);
    assert_eq!(text(&object["findings"][0]["file"]), name, "JSON says it all the same");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let bench = Workbench::new();
    let made = std::process::Command::new("mkfifo").arg(bench.path("pipe")).status().unwrap();
    assert!(made.success());
    bench.run(&["certs", "scan", "pipe"]).refused(2, &["neither a directory nor a regular file"]);
}

#[test]
fn formats_say_the_same_and_keys_stay_where_they_are() {
    let bench = Workbench::new();
    let deployment = Deployment::faulty(&bench, "old");
    deployment.mode("client.key", 0o644);
    let json = bench.run(&["certs", "scan", "old", "--format", "json"]);
    let table = bench.run(&["certs", "scan", "old"]);
    let csv = bench.run(&["certs", "scan", "old", "--format", "csv"]);
    assert_eq!([json.code, table.code, csv.code], [1, 1, 1]);
    assert!(csv.stdout.starts_with("severity,code,file,subject,"), "{}", csv.stdout);
    assert_eq!(csv.stdout.lines().count(), 6);
    assert!(
        table.stdout.contains("4 certificates in 8 files, 4 private keys: 3 errors, 2 warnings"),
        "{}",
        table.stdout
    );
    let key = fs::read_to_string(deployment.path("client.key")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    for run in [json, table, csv] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret));
    }
}

#[test]
fn an_archive_is_read_without_unpacking() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    fs::remove_file(deployment.path("root.key")).unwrap();
    deployment.mode("app.key", 0o644);
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    archive.append_dir_all("x", deployment.path("")).unwrap();
    bench.write("old.tgz", archive.into_inner().unwrap().finish().unwrap());
    fs::remove_dir_all(deployment.path("")).unwrap();
    let before = bench.files("");
    let expected = [
        ("key_in_archive", "x/app.key"),
        ("key_in_archive", "x/broker-01.key"),
        ("open_key", "x/app.key"),
    ];
    finds(&bench, &["old.tgz"], &expected, 1);
    assert_eq!(bench.files(""), before);
    // The authority's own export has no keys, and is sound.
    let bench = Workbench::with_hierarchy();
    bench.broker("broker-01");
    bench.ok(&["certs", "export", "--all", "--output", "backup.tar.gz"]);
    let object = finds(&bench, &["backup.tar.gz"], &[], 0);
    assert_eq!(object["counts"]["certificates"], 3);
}

/// A tar with one entry of this name, written as it stands.
fn tar_of(name: &str, kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o600);
    header.set_size(content.len() as u64);
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, content).unwrap();
    archive.into_inner().unwrap()
}

#[test]
fn hostile_names_and_links_are_named_and_nothing_is_written() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let root = fs::read(deployment.path("root.pem")).unwrap();
    for name in ["../root.pem", "/root.pem", "a/../../root.pem"] {
        bench.write("x.tar", tar_of(name, tar::EntryType::Regular, &root));
        let object = finds(&bench, &["x.tar"], &[("escaping_name", name)], 1);
        assert_eq!(object["counts"]["certificates"], 1, "it is read all the same");
    }
    assert!(!bench.data().parent().unwrap().join("root.pem").exists());
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
        bench.write("x.tar", tar_of("root.pem", kind, b""));
        finds(&bench, &["x.tar"], &[("link_not_read", "root.pem")], 0);
    }
}

#[test]
fn bombs_and_damaged_archives_are_refused() {
    let bench = Workbench::new();
    let mut zip =
        GzEncoder::new(File::create(bench.path("bomb.tar.gz")).unwrap(), Compression::best());
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros.pem").unwrap();
    header.set_mode(0o600);
    header.set_size(4 << 30);
    header.set_cksum();
    zip.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..520 {
        zip.write_all(&zeros).unwrap();
    }
    zip.finish().unwrap();
    bench.run(&["certs", "scan", "bomb.tar.gz"]).refused(2, &["unpacks to more than 512 MiB"]);

    let deployment = Deployment::sound(&bench, "old");
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    archive.append_dir_all("x", deployment.path("")).unwrap();
    let whole = archive.into_inner().unwrap().finish().unwrap();
    for length in [20, whole.len() / 2, whole.len() - 4] {
        bench.write("cut.tar.gz", &whole[..length]);
        bench.run(&["certs", "scan", "cut.tar.gz"]).refused(2, &["cut.tar.gz", "cut off"]);
    }
    let mut damaged = whole;
    let last = damaged.len() - 6;
    damaged[last] ^= 1;
    bench.write("damaged.tar.gz", &damaged);
    bench.run(&["certs", "scan", "damaged.tar.gz"]).refused(2, &["the archive is damaged"]);
    bench.write("cut.tar", &tar_of("a.pem", tar::EntryType::Regular, &[b'x'; 600])[..800]);
    bench.run(&["certs", "scan", "cut.tar"]).refused(2, &["cut off"]);
    bench.run(&["certs", "scan", "absent"]).refused(2, &["absent cannot be used"]);
}

#[test]
fn a_place_without_certificates_is_noticed() {
    let bench = Workbench::new();
    fs::create_dir(bench.path("empty")).unwrap();
    let run = bench.ok(&["certs", "scan", "empty"]);
    assert!(run.stderr.contains("no certificate and no private key"), "{}", run.stderr);
}

/// What is held in memory of an archive is bounded, names among it.
#[test]
fn an_endless_name_is_refused() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let root = fs::read(deployment.path("root.pem")).unwrap();
    let long = |length: usize| {
        let name = tar_of("././@LongLink", tar::EntryType::GNULongName, &vec![b'a'; length]);
        let end = name.len() - 1024;
        gzip(&[&name[..end], &tar_of("x", tar::EntryType::Regular, &root)].concat())
    };
    bench.write("long.tar.gz", long(3000));
    let object = finds(&bench, &["long.tar.gz"], &[], 0);
    assert_eq!(text(&object["certificates"][0]["files"][0]).len(), 3000);
    bench.write("long.tar.gz", long(2 << 20));
    bench.run(&["certs", "scan", "long.tar.gz"]).refused(2, &["the archive is damaged"]);
    bench.write("trailing.tar.gz", [long(3000), b"garbage".to_vec()].concat());
    bench.run(&["certs", "scan", "trailing.tar.gz"]).refused(2, &["the archive is damaged"]);
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    zip.write_all(content).unwrap();
    zip.finish().unwrap()
}

#[test]
fn a_compressed_file_of_certificates_and_keys_is_read() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let [key, leaf, root] =
        ["app.key", "app.pem", "root.pem"].map(|file| fs::read(deployment.path(file)).unwrap());
    let packed = [gzip(&key), gzip(&[leaf, root].concat())].concat();
    bench.write("combo.pem.gz", &packed);
    let object = finds(&bench, &["combo.pem.gz"], &[("open_key", "combo.pem.gz")], 1);
    let counts = &object["counts"];
    assert_eq!((&counts["certificates"], &counts["keys"]), (&2.into(), &1.into()));
    bench.write("combo.pem.gz", &packed[..packed.len() - 5]);
    bench.run(&["certs", "scan", "combo.pem.gz"]).refused(2, &["cut off"]);
    bench.write("notes.gz", gzip(b"no certificate"));
    bench.run(&["certs", "scan", "notes.gz"]).refused(2, &["neither a tar archive nor"]);
}

/// Whatever file is given to whatever reads one: no line of a key in it is shown.
#[test]
fn no_error_shows_what_is_in_a_file() {
    let bench = Workbench::with_hierarchy();
    let deployment = Deployment::empty(&bench, "old");
    let mut secrets = Vec::new();
    for (name, algorithm) in [("ed", "ED25519"), ("rsa", "RSA")] {
        deployment.key_of(name, &["-algorithm", algorithm]);
        let pem = fs::read_to_string(deployment.path(format!("{name}.key"))).unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let at = deployment.path(format!("{name}.key")).display().to_string();
        let traditional = openssl(&["pkey", "-traditional", "-in", &at]).unwrap_or_default();
        for (form, content) in [
            ("broken", pem.replacen("-----\n", "----\n", 1)),
            ("pem", pem),
            ("base64", base64),
            ("traditional", traditional),
        ] {
            bench.write(&format!("{name}.{form}"), &content);
            let first = tar_of("notes.txt", tar::EntryType::Regular, b"x");
            let turned = [&first[..1024], content.as_bytes(), &[b'\n'; 512]].concat();
            bench.write(&format!("{name}.{form}.tar"), &turned);
            bench.write(&format!("{name}.{form}.gz"), gzip(content.as_bytes()));
            bench.write(&format!("{name}.{form}.tar.gz"), gzip(&turned));
            let lines = content.lines().filter(|line| !line.starts_with('-'));
            secrets.extend(lines.filter_map(|line| line.get(8..20)).map(str::to_owned));
        }
    }
    for file in bench.files("").into_iter().filter(|file| file != "old") {
        for command in [
            &["certs", "scan"][..],
            &["certs", "inspect"],
            &["migrate", "plan", "--from", "old", "--output", "p", "--role-map"],
            &["migrate", "apply", "--output", "new", "--plan"],
            &["certs", "batch-issue", "--ca-id", "prod_ca_1", "--output", "out", "--input"],
            &["certs", "batch-revoke", "--input"],
            &["certs", "sign", "--ca-id", "prod_ca_1", "--role", "client", "--csr"],
            &["certs", "validate", "--cert-file"],
            &["profile", "check"],
            &["principal", "explain"],
            &["audit", "verify", "--anchor"],
            &["restore", "--data-dir", "elsewhere", "--input"],
        ] {
            let run = bench.run(&[command, &[&file]].concat());
            let said = format!("{}{}", run.stdout, run.stderr);
            let shown = secrets.iter().find(|secret| said.contains(secret.as_str()));
            assert_eq!(shown, None, "{command:?} {file}: {said}");
        }
    }
}
