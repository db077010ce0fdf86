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
fn what_was_cut_off_within_quotation_marks_is_not_issued() {
    let bench = Workbench::with_hierarchy();
    for (rows, line) in [
        ("b1.example.com,broker,\"dns:b1.example.com;dns:b2.exam", 2),
        ("a,client,\n\"b,client,\nc,client,\nd,client,\n", 3),
        ("a,client,\n\"b,client,\nc,client,\n\"d\",client,\n", 3),
    ] {
        bench.write("fleet.csv", format!("principal,role,san\n{rows}"));
        for more in [&["--skip-invalid"][..], &["--dry-run"], &[]] {
            let run = bench.run(&issue("fleet.csv", "fleet.ndjson", more));
            let said = format!("fleet.csv: a cell opens with a quotation mark in line {line} ");
            run.refused(1, &[&said, "cut off"]);
            assert_eq!(bench.files(""), ["fleet.csv"]);
        }
    }
    bench.write("fleet.csv", "principal,role\na,client\n\"b\"x,client\nc\"x,client\nd,client\n");
    let run = bench.run(&issue("fleet.csv", "fleet.ndjson", &[]));
    run.refused(1, &["row 2 (line 3), row: text follows", "row 3 (line 4), row: a quotation mark"]);
    let report = bench.json(&issue("fleet.csv", "fleet.ndjson", &["--skip-invalid"]));
    assert_eq!((&report["rows"], &report["skipped"]), (&4.into(), &2.into()));
    assert_eq!(
        names(&lines(&bench, "fleet.ndjson")),
        [(1, "a", "client"), (4, "d", "client")]
    );
}

#[test]
fn a_row_that_is_too_long_is_one_wrong_row() {
    let bench = Workbench::with_hierarchy();
    let long = "x".repeat(5 << 19);
    let bit = "x".repeat(1 << 20);
    bench.write("fleet.csv", format!("principal,san\na,\nb,{long}\nc,{bit}\nd,\"{bit}\"\ne,\n"));
    bench.write(
        "fleet.jsonl",
        format!("{{\"principal\":\"a\"}}\n{{\"principal\":\"{long}\"}}\n{bit} \n\n{{\"principal\":\"e\"}}"),
    );
    for (input, wrong) in [("fleet.csv", [2, 3, 4].as_slice()), ("fleet.jsonl", &[2, 3])] {
        let output = format!("{input}.ndjson");
        let arguments = issue(input, &output, &["--role", "client", "--job", input]);
        for row in wrong {
            let line = row + u64::from(input == "fleet.csv");
            let said = format!("row {row} (line {line}), row: it is longer than 1 MiB");
            bench.run(&arguments).refused(1, &[&said]);
        }
        let report = bench.json(&[&arguments[..], &["--skip-invalid"]].concat());
        assert_eq!((&report["issued"], &report["skipped"]), (&2.into(), &wrong.len().into()));
    }
    bench.write("list", format!("cert-3\n{long}\ncert-4\n"));
    bench
        .run(&["certs", "batch-revoke", "--input", "list"])
        .refused(1, &["row 2 (line 2), row: it is longer than 1 MiB", "1 of 3 lines is wrong"]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_row() {
    let bench = Workbench::with_hierarchy();
    let json = "{\"principal\":\"a\",\"role\":\"client\"}\n";
    for (name, text) in [
        ("fleet.csv", "principal,role\na,client\n"),
        ("fleet.jsonl", json),
        ("fleet.txt", json),
        ("csv.txt", "principal,role\na,client\n"),
    ] {
        bench.write(name, format!("\u{feff}{text}"));
        let output = format!("{name}.ndjson");
        bench.ok(&issue(name, &output, &[]));
        assert_eq!(names(&lines(&bench, &output)), [(1, "a", "client")]);
        let again = bench.json(&issue(name, &output, &[]));
        assert_eq!(again["replayed"], 1);
    }
    bench.write("list", "\u{feff}cert-3\n");
    let renew = ["certs", "batch-renew", "--ca-id", "prod_ca_1", "--input", "list"];
    bench.ok(&[&renew[..], &["--output", "new.ndjson"]].concat());
}
