//! Inputs of `certs batch-issue` that are cut off, oversized or no plain files.

use crate::batches::{issue, lines, names};
use crate::workbench::Workbench;

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
    assert_eq!(names(&lines(&bench, "fleet.ndjson")), [(1, "a", "client"), (4, "d", "client")]);
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
