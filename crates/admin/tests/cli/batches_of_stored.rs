//! `certs batch-renew` and `certs batch-revoke`: by filter, by list, by CA; repeated.

use std::fs;

use serde_json::Value;

use crate::batches::{issue, lines, names};
use crate::workbench::{Run, Workbench, text};

/// A hierarchy with two clients and a broker, `cert-3` to `cert-5`.
fn fleet() -> Workbench {
    let bench = Workbench::with_hierarchy();
    bench.write("fleet.csv", "principal,role\na,client\nb,client\nb1.example.com,broker\n");
    bench.ok(&issue("fleet.csv", "fleet.ndjson", &[]));
    bench
}

fn renew<'a>(output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["certs", "batch-renew", "--ca-id", "prod_ca_1", "--output", output], more].concat()
}

fn revoke<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["certs", "batch-revoke"], more].concat()
}

#[test]
fn a_filter_s_certificates_are_renewed_once() {
    let bench = fleet();
    let arguments = renew("new.ndjson", &["--role", "client"]);
    let report = bench.json(&arguments);
    assert_eq!(report["issued"], 2);
    let renewed = lines(&bench, "new.ndjson");
    assert_eq!(names(&renewed), [(1, "a", "client"), (2, "b", "client")]);
    for (line, old) in renewed.iter().zip(["cert-3", "cert-4"]) {
        let info = bench.json(&["certs", "info", text(&line["id"])]);
        assert_eq!(info["renews"], old);
        assert!(line["key"].is_string(), "a new key");
        assert_eq!(bench.json(&["certs", "info", old])["status"], "active");
    }
    // The new ones pass the filter, too; the job has its list.
    let again = bench.json(&arguments);
    assert_eq!((&again["issued"], &again["replayed"]), (&0.into(), &2.into()));
    // Another job renews the newest of each and no other, unless they are listed.
    let newest = bench.json(&renew("newest", &["--role", "client"]));
    assert_eq!(newest["issued"], 2);
    assert_eq!(bench.files("newest"), ["a", "b"]);
    for (line, id) in renewed.iter().zip(["cert-8", "cert-9"]) {
        assert_eq!(bench.json(&["certs", "info", id])["renews"], line["id"]);
    }
    bench.ok(&["certs", "revoke", "cert-8"]);
    bench.write("list", "cert-3\ncert-6\ncert-4\n");
    bench.ok(&renew("both", &["--input", "list"]));
    assert_eq!(bench.files("both"), ["a", "a~2", "b"]);
    let last = bench.json(&renew("last.ndjson", &["--role", "client", "--dry-run"]));
    assert_eq!(last["rows"], 4, "those of the list, cert-9, and none that cert-8 had renewed");
    bench
        .run(&renew("none.ndjson", &["--role", "admin"]))
        .refused(1, &["no certificate is chosen"]);
}

#[test]
fn a_list_is_renewed_and_what_cannot_be_is_told_by_row() {
    let bench = fleet();
    let serial = text(&lines(&bench, "fleet.ndjson")[2]["serial"]).to_uppercase();
    bench.write(
        "list",
        format!("# brokers\n{serial}\n\ncert-99\ncert-2\n{serial}\nno certificate\n"),
    );
    let run = bench.run(&renew("new.ndjson", &["--input", "list"]));
    run.refused(
        1,
        &[
            "row 2 (line 4), certificate: there is no certificate \"cert-99\"",
            "row 3 (line 5), certificate: ",
            "row 4 (line 6), certificate: the same certificate stands in row 1",
            "row 5 (line 7), certificate: ",
            "4 of 5 rows are wrong",
        ],
    );
    bench.ok(&renew("new.ndjson", &["--input", "list", "--skip-invalid", "--key-type", "ed25519"]));
    let renewed = lines(&bench, "new.ndjson");
    assert_eq!(names(&renewed), [(1, "b1.example.com", "broker")]);
    assert_eq!(bench.json(&["certs", "info", text(&renewed[0]["id"])])["key_type"], "ed25519");
}

#[test]
fn a_renewed_certificate_keeps_the_type_of_its_key() {
    let bench = Workbench::with_hierarchy();
    let types = ["p256", "ed25519", "p384"];
    for (nth, key_type) in types.into_iter().enumerate() {
        bench.write("one.csv", format!("principal,role\napp-{nth},client\n"));
        bench.ok(&issue("one.csv", &format!("{nth}.ndjson"), &["--key-type", key_type]));
    }
    bench.ok(&renew("new.ndjson", &[]));
    let renewed = lines(&bench, "new.ndjson");
    for (line, key_type) in renewed.iter().zip(types) {
        assert_eq!(bench.json(&["certs", "info", text(&line["id"])])["key_type"], key_type);
    }
    assert_eq!(bench.json(&renew("new.ndjson", &[]))["replayed"], 3, "the job is the same");
}

#[test]
fn a_dry_run_shows_what_would_be_revoked_and_revokes_nothing() {
    let bench = fleet();
    let dry = bench.json(&revoke(&["--ca-id", "prod_ca_1", "--role", "client", "--dry-run"]));
    assert_eq!((&dry["revoked"], &dry["dry_run"]), (&2.into(), &true.into()));
    let first: Vec<_> =
        dry["first"].as_array().unwrap().iter().map(|info| text(&info["id"])).collect();
    assert_eq!(first, ["cert-3", "cert-4"]);
    assert_eq!(status(&bench), ["active", "active", "active"]);
}

/// The status of the fleet's three.
fn status(bench: &Workbench) -> Vec<String> {
    let of = |id: &str| text(&bench.json(&["certs", "info", id])["status"]).to_owned();
    ["cert-3", "cert-4", "cert-5"].map(of).to_vec()
}

#[test]
fn revoking_can_be_repeated_and_needs_a_choice() {
    let bench = fleet();
    bench.run(&revoke(&[])).refused(2, &["--ca-id", "--input"]);
    bench.run(&revoke(&["--input", "list", "--role", "client"])).refused(2, &["--input"]);
    bench.write("list", "# all\ncert-3\ncert-99\n\n77:aa\n");
    for more in [&["--dry-run"][..], &[]] {
        bench.run(&revoke(&[&["--input", "list"], more].concat())).refused(
            1,
            &[
                "row 2 (line 3), certificate: there is no certificate \"cert-99\"",
                "row 3 (line 5), certificate: there is no certificate \"77aa\"",
                "2 of 3 lines are wrong, and nothing was revoked",
            ],
        );
    }
    assert_eq!(status(&bench), ["active", "active", "active"], "one that is not there refuses all");
    let mut command =
        bench.command(&revoke(&["--input", "-", "--reason", "key-compromise", "--format", "json"]));
    let run = Run::of(command.write_stdin("cert-3\n"));
    let first: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&first["revoked"], &first["reason"]), (&1.into(), &"keyCompromise".into()));
    assert_eq!(first["crls"][0]["revoked"], 1);
    let all = revoke(&["--ca-id", "prod_ca_1"]);
    let second = bench.json(&all);
    assert_eq!((&second["revoked"], &second["already_revoked"]), (&2.into(), &1.into()));
    let third = bench.json(&all);
    assert_eq!((&third["revoked"], &third["already_revoked"]), (&0.into(), &3.into()));
    assert_eq!(status(&bench), ["revoked", "revoked", "revoked"]);
    let info = bench.json(&["certs", "info", "cert-3"]);
    assert_eq!(info["revocation_reason"], "keyCompromise", "the first reason stays");
    assert_eq!(fs::read_dir(bench.path("")).unwrap().count(), 4, "nothing of the input is left");
}

/// A key that was given by mistake: each of its lines but the first and the last has 64 characters.
#[test]
fn a_list_that_is_a_private_key_is_not_shown() {
    let bench = fleet();
    bench.ok(&["certs", "issue", "--principal", "c", "--role", "client", "--ca-id", "prod_ca_1"]);
    let key = fs::read_to_string(bench.path("c/tls.key")).unwrap();
    let body: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).collect();
    for arguments in [
        revoke(&["--input", "c/tls.key", "--reason", "superseded"]),
        revoke(&["--input", "c/tls.key", "--reason", "superseded", "--dry-run"]),
        renew("new.ndjson", &["--input", "c/tls.key"]),
    ] {
        for format in ["table", "json"] {
            let run = bench.run(&[&arguments[..], &["--format", format]].concat());
            assert_eq!(run.code, 1);
            let shown = format!("{}{}", run.stdout, run.stderr).to_lowercase();
            for line in &body {
                assert!(!shown.contains(&line.to_lowercase()), "{arguments:?} shows a line");
            }
        }
    }
}

/// While the first checks its rows there is no job file yet, and its list is its own.
#[test]
fn a_second_renewal_does_not_replace_the_list_of_the_first() {
    let bench = fleet();
    let arguments = renew("new.ndjson", &["--role", "client"]);
    bench.write("new.ndjson.job.list", "cert-5\n");
    let list = fs::File::open(bench.path("new.ndjson.job.list")).unwrap();
    list.try_lock().unwrap();
    bench.run(&arguments).refused(6, &["another process is running the batch"]);
    assert_eq!(fs::read(bench.path("new.ndjson.job.list")).unwrap(), b"cert-5\n");
    drop(list);
    assert_eq!(bench.json(&arguments)["issued"], 2, "a leftover is in nobody's way");
}

/// What has not the form of a name and what is nobody's are told together, however many there are.
#[test]
fn every_line_of_a_list_that_names_no_certificate_is_told() {
    let bench = fleet();
    bench.write("list", "cert-4\nx1\nx2\n#c\ncert-99999999\n00ff\n");
    let run = bench.run(&revoke(&["--input", "list"]));
    run.refused(
        1,
        &[
            "row 2 (line 2), certificate: it is no certificate's id",
            "row 3 (line 3), certificate: it is no certificate's id",
            "row 4 (line 5), certificate: there is no certificate \"cert-99999999\"",
            "row 5 (line 6), certificate: there is no certificate \"00ff\"",
            "4 of 5 lines are wrong, and nothing was revoked",
        ],
    );
    let many: String = (1..=130).map(|n| format!("x{n}\n")).collect();
    bench.write("list", format!("cert-4\n{many}"));
    let run = bench.run(&revoke(&["--input", "list"]));
    run.refused(1, &["row 101 (", "and 30 more", "rows 102-131", "130 of 131 lines are wrong"]);
    assert_eq!(status(&bench), ["active", "active", "active"]);
}

#[test]
fn a_dry_run_shows_a_certificate_once_that_is_listed_twice() {
    let bench = fleet();
    let serial = text(&bench.json(&["certs", "info", "cert-3"])["serial"]).to_owned();
    bench.write("list", format!("cert-3\ncert-4\ncert-3\n{serial}\n"));
    let dry = bench.json(&revoke(&["--input", "list", "--dry-run"]));
    assert_eq!(dry["revoked"], 2);
    let first: Vec<_> =
        dry["first"].as_array().unwrap().iter().map(|info| text(&info["id"])).collect();
    assert_eq!(first, ["cert-3", "cert-4"]);
}

/// A place that takes no files, although the system says that one may write there.
#[test]
fn a_place_that_takes_no_files_is_told_before_anything_else() {
    let bench = fleet();
    for more in [&["--dry-run"][..], &[]] {
        bench.run(&renew("/proc/x.ndjson", more)).refused(6, &["/proc/x.ndjson cannot be written"]);
        bench
            .run(&issue("fleet.csv", "/proc/x.ndjson", &[&["--job", "other"], more].concat()))
            .refused(6, &["/proc/x.ndjson cannot be written"]);
    }
}
