//! What `certs batch-issue` takes for rows, and what it says about wrong ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::batches::{ISSUE, issue, lines, names};
use crate::workbench::{Run, Workbench, openssl, text};

#[test]
fn csv_becomes_lines_with_chain_and_key() {
    let bench = Workbench::with_hierarchy();
    bench.write(
        "fleet.csv",
        "san,principal,validity_days,role\n\
         dns:b1.example.com; 10.0.0.1,b1,30,broker\n\
         ,app@example.com,,\n\
         \"dns:b2,example.com\",,,\n",
    );
    let wrong = bench.run(&issue("fleet.csv", "fleet.ndjson", &["--role", "client"]));
    assert_eq!(wrong.code, 1, "the last row has neither a principal nor a request");
    bench.write(
        "fleet.csv",
        "san,principal,validity_days,role\r\n\
         dns:b1.example.com; 10.0.0.1,b1,30,broker\r\n\
         \r\n\
         ,\"app@example.com\",,\r\n",
    );
    let report = bench.json(&issue("fleet.csv", "fleet.ndjson", &["--role", "client"]));
    assert_eq!(
        (&report["issued"], &report["rows"], &report["skipped"]),
        (&2.into(), &2.into(), &0.into())
    );
    let lines = lines(&bench, "fleet.ndjson");
    assert_eq!(names(&lines), [(1, "b1", "broker"), (2, "app@example.com", "client")]);
    let info = bench.json(&["certs", "info", text(&lines[0]["serial"])]);
    assert_eq!(info["sans"], serde_json::json!(["DNS:b1.example.com", "IP:10.0.0.1"]));
    for key in ["id", "fingerprint", "principal", "role", "not_before", "not_after", "ca_id"] {
        assert_eq!(lines[0][key], info[key], "{key}");
    }
    let ca = fs::read_to_string(bench.path("prod.crt"));
    assert!(ca.is_err());
    bench.ok(&["ca", "export", "prod_ca_1", "--output", "prod.crt"]);
    let ca = fs::read_to_string(bench.path("prod.crt")).unwrap();
    assert!(text(&lines[0]["certificate"]).ends_with(&ca), "leaf first, then its issuer");
    let mode = |name: &str| fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("fleet.ndjson"), mode("fleet.ndjson.job")), (0o600, 0o600));
    let job = fs::read(bench.path("fleet.ndjson.job")).unwrap();
    assert!(job.len() < 1000, "a finished job keeps no keys");
}

#[test]
fn json_lines_mean_the_same() {
    let bench = Workbench::with_hierarchy();
    let rows = "{\"principal\":\"b1\",\"role\":\"broker\",\"san\":[\"dns:b1.example.com\",\"10.0.0.1\"]}\n\n\
         {\"role\":\"client\",\"principal\":\"app\",\"validity_days\":7,\"san\":null,\"csr\":\"\"}\n\
         {\"principal\":\"M\\u00fcller\",\"role\":\"client\",\"validity_days\":\"8\",\"san\":\"a.example;b.example\"}";
    bench.write("fleet.jsonl", rows);
    bench.ok(&issue("fleet.jsonl", "fleet.ndjson", &[]));
    // The same by its first character, from standard input.
    let mut command = bench.command(&issue("-", "again.ndjson", &["--job", "again"]));
    let run = Run::of(command.write_stdin(rows));
    assert_eq!(run.code, 0, "{}", run.stderr);
    for output in ["fleet.ndjson", "again.ndjson"] {
        let lines = lines(&bench, output);
        assert_eq!(
            names(&lines),
            [(1, "b1", "broker"), (2, "app", "client"), (3, "M\u{fc}ller", "client")]
        );
        let info = bench.json(&["certs", "info", text(&lines[2]["id"])]);
        assert_eq!(info["sans"], serde_json::json!(["DNS:a.example", "DNS:b.example"]));
    }
    assert!(bench.files("").iter().all(|name| !name.contains("input")), "{:?}", bench.files(""));
}

#[test]
fn a_request_keeps_its_key_and_a_row_s_role_wins() {
    let bench = Workbench::with_hierarchy();
    let key = request(&bench, "own.example.com", "own");
    request(&bench, "whatever.example.com", "other");
    let pem = fs::read_to_string(bench.path("other.csr")).unwrap();
    fs::create_dir(bench.path("rows")).unwrap();
    fs::rename(bench.path("own.csr"), bench.path("rows/own.csr")).unwrap();
    let rows = format!(
        "principal,role,csr\n,broker,own.csr\nother.example.com,client,\"{pem}\"\nmade,,\n"
    );
    bench.write("rows/fleet.csv", rows);
    bench.ok(&issue("rows/fleet.csv", "fleet.ndjson", &["--role", "admin"]));
    let lines = lines(&bench, "fleet.ndjson");
    assert_eq!(
        names(&lines),
        [
            (1, "own.example.com", "broker"),
            (2, "other.example.com", "client"),
            (3, "made", "admin")
        ]
    );
    assert_eq!((lines[0].get("key"), lines[1].get("key")), (None, None));
    let leaf = bench.write("leaf.crt", text(&lines[0]["certificate"]));
    assert_eq!(
        openssl(&["x509", "-in", leaf.to_str().unwrap(), "-noout", "-pubkey"]),
        openssl(&["pkey", "-in", &key, "-pubout"])
    );
    assert!(lines[2]["key"].is_string());
    let refused = |said: &str| {
        let run = bench.run(&issue("rows/fleet.csv", "other.ndjson", &["--role", "admin"]));
        run.refused(1, &[said]);
    };
    fs::write(bench.path("rows/own.csr"), &pem).unwrap();
    refused("row 2 (line 3), csr: the key of this request stands in row 1, for another principal");
    fs::write(bench.path("rows/own.csr"), &pem[..200]).unwrap();
    refused("row 1 (line 2), csr: ");
}

/// Has OpenSSL make a key and a request with this common name; gives the key's path.
fn request(bench: &Workbench, name: &str, files: &str) -> String {
    let [key, csr] =
        ["key", "csr"].map(|end| bench.path(format!("{files}.{end}")).display().to_string());
    let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj"];
    let subject = format!("/CN={name}");
    openssl(&[&new[..], &[&subject, "-keyout", &key, "-out", &csr]].concat()).unwrap();
    key
}

/// Rows, and what is said about each.
const WRONG: [(&str, &str); 14] = [
    ("a/b,client,,,", "row 2 (line 3), principal: the principal has a '/'"),
    (",client,,,", "row 2 (line 3), principal: it is empty; only a row with a csr"),
    ("b,wizard,,,", "row 2 (line 3), role: there is no role \"wizard\": a role is broker"),
    ("b,,,,", "row 2 (line 3), role: a certificate needs a role or a profile; write a role here"),
    ("b,client,dns:a..b,,", "row 2 (line 3), san: \"a..b\" is not a DNS name"),
    ("b,client,a.example;A.example,,", "row 2 (line 3), san: the subject alternative name"),
    ("b@c.example,broker,,,", "row 2 (line 3), san: a broker certificate needs a DNS name"),
    ("b,client,,ten,", "row 2 (line 3), validity_days: \"ten\" is no number of days"),
    ("b,client,,0,", "row 2 (line 3), validity_days: a validity of 0 days is none"),
    ("b,client,,36500,", "row 2 (line 3), validity_days: the certificate would be valid until"),
    ("b,client,,,none.csr", "row 2 (line 3), csr: none.csr cannot be read"),
    ("b,client,,,fleet.csv", "row 2 (line 3), csr: "),
    ("b,client", "row 2 (line 3), row: it has 2 cells, and the header has 5"),
    (
        "good,client,,,",
        "row 2 (line 3), principal: the same principal with the same role stands in row 1",
    ),
];

#[test]
fn each_wrong_row_is_told_by_number_and_column_and_nothing_is_issued() {
    let bench = Workbench::with_hierarchy();
    let before = bench.certificates().len();
    for (row, said) in WRONG {
        let rows = format!("principal,role,san,validity_days,csr\ngood,client,,,\n{row}\n");
        bench.write("fleet.csv", rows);
        let run = bench.run(&issue("fleet.csv", "fleet.ndjson", &[]));
        run.refused(1, &[said, "1 of 2 rows is wrong, and nothing was issued", "--skip-invalid"]);
        assert_eq!(bench.files(""), ["fleet.csv"], "nothing is written");
    }
    assert_eq!(bench.certificates().len(), before);
    let all = WRONG.map(|(row, _)| row).join("\n");
    bench.write(
        "fleet.csv",
        format!("principal,role,san,validity_days,csr\ngood,client,,,\n{all}\n"),
    );
    let report = bench.json(&issue("fleet.csv", "fleet.ndjson", &["--skip-invalid"]));
    assert_eq!((&report["issued"], &report["skipped"]), (&1.into(), &WRONG.len().into()));
    assert_eq!(report["wrong_rows"].as_array().unwrap().len(), WRONG.len());
    assert_eq!(report["wrong_rows"][2]["column"], "role");
    assert_eq!(names(&lines(&bench, "fleet.ndjson")), [(1, "good", "client")]);
}

#[test]
fn json_that_is_none_or_has_values_of_another_kind() {
    let bench = Workbench::with_hierarchy();
    for (row, said) in [
        ("{\"principal\":7}", "row 1 (line 1), principal: it is a number, not a text"),
        ("{\"principal\":\"a\",\"san\":[1]}", "row 1 (line 1), san: it is a list with something"),
        (
            "{\"principal\":\"a\",\"validity_days\":1.5}",
            "validity_days: it is a number that is not whole",
        ),
        (
            "{\"principal\":\"a\",\"rolle\":\"x\"}",
            "there is no column \"rolle\"; the columns are principal, role",
        ),
        ("{\"principal\":\"a\",\"principal\":\"b\"}", "the column principal stands here twice"),
        ("[\"a\"]", "expected an object"),
        ("{\"principal\":\"a\"", "row 1 (line 1), row: EOF"),
    ] {
        bench.write("fleet.jsonl", row);
        bench.run(&issue("fleet.jsonl", "fleet.ndjson", &["--role", "client"])).refused(1, &[said]);
    }
}

#[test]
fn inputs_without_a_header_or_rows() {
    let bench = Workbench::with_hierarchy();
    for (input, said) in [
        (
            "principal,rolle\na,client\n",
            "there is no column \"rolle\"; the columns are principal, role",
        ),
        ("principal,principal\na,b\n", "the column principal stands in the header twice"),
        ("role,san\nclient,a.example\n", "no header with a principal or a csr"),
        ("", "no header with a principal or a csr"),
        ("principal,role\n", "fleet.csv has no rows"),
    ] {
        bench.write("fleet.csv", input);
        bench.run(&issue("fleet.csv", "fleet.ndjson", &[])).refused(1, &[said]);
    }
    bench.run(&issue("none.csv", "fleet.ndjson", &[])).refused(3, &["none.csv cannot be read"]);
    bench.write("fleet.csv", b"principal,role\n\xff\xfe,client\n");
    bench.run(&issue("fleet.csv", "fleet.ndjson", &[])).refused(1, &["principal: it is not UTF-8"]);
}

#[test]
fn a_hundred_errors_are_shown_and_the_rest_counted() {
    let bench = Workbench::with_hierarchy();
    let rows: String = (0..250).map(|n| format!("p{n},wizard\n")).collect();
    bench.write("fleet.csv", format!("principal,role\n{rows}"));
    let run = bench.run(&issue("fleet.csv", "fleet.ndjson", &[]));
    run.refused(1, &["and 150 more", "250 of 250 rows are wrong"]);
    assert_eq!(run.stderr.matches("wrong: row ").count(), 100);
    let run = bench.run(&issue("fleet.csv", "fleet.ndjson", &["--format", "json"]));
    let first: Value = serde_json::from_str(run.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(first["finding"]["row"], 1);
    assert_eq!(first["finding"]["column"], "role");
}

#[test]
fn a_dry_run_checks_all_and_writes_nothing() {
    let bench = Workbench::with_hierarchy();
    bench.write("fleet.csv", "principal,role\na,client\nb,client\n");
    let before = bench.certificates().len();
    // No passphrase: no key is opened.
    let mut command = bench.bare();
    command.args(issue("fleet.csv", "fleet.ndjson", &["--dry-run", "--format", "json"]));
    let output = command.assert().success().get_output().stdout.clone();
    let report: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(
        (&report["dry_run"], &report["rows"], &report["issued"]),
        (&true.into(), &2.into(), &0.into())
    );
    assert_eq!(bench.files(""), ["fleet.csv"]);
    assert_eq!(bench.certificates().len(), before);
    bench.write("fleet.csv", "principal,role\na,wizard\n");
    bench.run(&issue("fleet.csv", "fleet.ndjson", &["--dry-run"])).refused(1, &["row 1"]);
}

#[test]
fn a_folder_for_each_principal() {
    let bench = Workbench::with_hierarchy();
    bench.write("fleet.csv", "principal,role\nM\u{fc}ller,client\nb1.example.com,broker\n");
    bench.ok(&issue("fleet.csv", "fleet", &[]));
    assert_eq!(bench.files("fleet"), ["M%C3%BCller", "b1.example.com"]);
    // What `certs issue` makes of the same principal has the same files.
    bench.ok(&[
        &ISSUE[..0],
        &["certs", "issue", "--principal", "b1.example.com", "--role", "broker"],
        &["--ca-id", "prod_ca_1"],
    ]
    .concat());
    assert_eq!(bench.files("fleet/b1.example.com"), bench.files("b1.example.com"));
    for name in ["ca.crt", "root.crt"] {
        let read = |folder: &str| fs::read(bench.path(folder).join(name)).unwrap();
        assert_eq!(read("fleet/b1.example.com"), read("b1.example.com"), "{name}");
    }
    let at = |name: &str| bench.path("fleet/b1.example.com").join(name).display().to_string();
    assert_eq!(fs::metadata(at("tls.key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        openssl(&["x509", "-in", &at("tls.crt"), "-noout", "-pubkey"]),
        openssl(&["pkey", "-in", &at("tls.key"), "-pubout"])
    );
    let verify = ["verify", "-x509_strict", "-crl_check_all", "-CRLfile", &at("crl.pem")];
    let chain = ["-CAfile", &at("root.crt"), "-untrusted", &at("tls.crt"), &at("tls.crt")];
    openssl(&[&verify[..], &chain].concat()).unwrap();
    // Two rows whose folders would be one.
    bench.write("twice.csv", "principal,role\na,client\na,admin\n");
    bench
        .run(&issue("twice.csv", "twice", &[]))
        .refused(1, &["row 2 (line 3), principal: the same principal, which names its folder"]);
    bench.ok(&issue("twice.csv", "twice.ndjson", &[]));
}

#[test]
fn what_is_to_be_known_of_rows_is_one_line_a_kind() {
    let bench = Workbench::with_hierarchy();
    let short = ["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Short CA"];
    bench.ok(&[&short[..], &["--id", "short", "--validity-days", "200"]].concat());
    let rows: String = (1..=40).map(|n| format!("b{n}.example.com,broker\n")).collect();
    bench.write("fleet.csv", format!("principal,role\napp,client\n{rows}"));
    let by = ["certs", "batch-issue", "--ca-id", "short", "--input", "fleet.csv", "--output"];
    for more in [&["--dry-run"][..], &[]] {
        let arguments = [&by[..], &["fleet.ndjson"], more, &["--format", "json"]].concat();
        let run = bench.ok(&arguments);
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        let notes = report["row_notes"].as_array().unwrap();
        let mut told: Vec<_> = notes
            .iter()
            .map(|note| (text(&note["code"]), note["rows"].as_u64(), note["first_row"].as_u64()))
            .collect();
        told.sort();
        assert_eq!(
            told,
            [
                ("no_status_addresses", Some(41), Some(1)),
                ("san_from_principal", Some(40), Some(2)),
                ("shortened_to_issuer", Some(40), Some(2)),
            ]
        );
        assert_eq!(run.stderr.matches("\"note\"").count(), 3, "{}", run.stderr);
        let line = "40 rows, the first is row 2: DNS:b1.example.com was taken from the principal";
        assert!(run.stderr.contains(line), "{}", run.stderr);
    }
}

/// How many calls of `fcntl` the command makes: each look into the store makes some.
fn looks(bench: &Workbench, arguments: &[&str]) -> usize {
    let trace = bench.path("trace");
    let status = std::process::Command::new("strace")
        .args(["-f", "-e", "trace=fcntl", "-o"])
        .arg(&trace)
        .arg(assert_cmd::cargo::cargo_bin("rustmq-admin"))
        .args(arguments)
        .env_clear()
        .env("RUSTMQ_DATA_DIR", bench.data())
        .env("RUSTMQ_CA_PASSPHRASE", crate::workbench::PASSPHRASE)
        .current_dir(bench.path(""))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("strace is installed (apt-get install strace)");
    assert_eq!(status.code(), Some(1), "all of its rows are wrong");
    let calls = fs::read_to_string(&trace).unwrap().matches("F_SETLK").count();
    fs::remove_file(trace).unwrap();
    calls
}

#[test]
fn many_refused_keys_cost_one_look_and_not_one_each() {
    let bench = Workbench::with_hierarchy();
    let rows = |name: &str, count| {
        let row = |n| format!("{name}-{n},client,{n}.csr\n");
        format!("principal,role,csr\n{}", (0..count).map(row).collect::<String>())
    };
    for n in 0..60 {
        request(&bench, "whatever", &n.to_string());
    }
    bench.write("holders.csv", rows("holder", 60));
    bench.ok(&issue("holders.csv", "holders.ndjson", &[]));
    let looks = [6, 60].map(|count| {
        bench.write("thieves.csv", rows("thief", count));
        let arguments = issue("thieves.csv", "thieves.ndjson", &[]);
        let run = bench.run(&arguments);
        run.refused(1, &["row 1 (line 2), csr: ", &format!("{count} of {count} rows are wrong")]);
        looks(&bench, &arguments)
    });
    assert!(looks[0] > 0 && looks[1] < looks[0] + 54, "{looks:?}");
}
