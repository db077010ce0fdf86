//! A batch that is taken up when the rules are others than those that it was begun under, and a
//! finished one whose output was meddled with.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::batches::{issue, killed_at, lines};
use crate::workbench::{Workbench, openssl, text};

/// Rows of the jobs that are killed; a slice has four.
const ROWS: usize = 10;

/// A profile whose rows can be refused from one day to the next.
fn write_profile(bench: &Workbench, max_validity_days: u32) {
    let folder = bench.data().join("profiles");
    fs::create_dir_all(&folder).unwrap();
    let profile = format!(
        "kind = \"end-entity\"\nrole = \"client\"\nvalidity_days = 7\n\
         max_validity_days = {max_validity_days}\nkeys = [\"p256\"]\n\
         key_usage = [\"digitalSignature\"]\nextended_key_usage = [\"clientAuth\"]\n\
         san = [\"dns\"]\n"
    );
    fs::write(folder.join("sensor.toml"), profile).unwrap();
}

/// A job of three slices that is killed as it gives its job file the `nth` state after the first: the
/// second is saved before the second slice is asked for, and so on; the fourth says that all is done.
fn killed<'a>(bench: &Workbench, nth: u32) -> Vec<&'a str> {
    write_profile(bench, 14);
    let rows: String = (1..=ROWS).map(|n| format!("app-{n},14\n")).collect();
    bench.write("fleet.csv", format!("principal,validity_days\n{rows}"));
    let flags = ["--rows-per-slice", "4", "--profile", "sensor"];
    let arguments = issue("fleet.csv", "fleet.ndjson", &flags);
    assert!(killed_at(bench, "rename", nth, &arguments));
    assert!(!lines(bench, "fleet.ndjson").is_empty(), "it was killed at work");
    arguments
}

/// The principals in the output; each line has its key.
fn delivered(bench: &Workbench) -> Vec<String> {
    let lines = lines(bench, "fleet.ndjson");
    assert!(lines.iter().all(|line| line["key"].is_string()));
    lines.iter().map(|line| text(&line["principal"]).to_owned()).collect()
}

fn principals(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("app-{n}")).collect()
}

#[test]
fn what_is_issued_is_delivered_although_the_ca_was_retired_since() {
    let bench = Workbench::with_hierarchy();
    let arguments = killed(&bench, 4);
    bench.ok(&["ca", "retire", "prod_ca_1"]);
    let done = bench.json(&arguments);
    assert_eq!((&done["issued"], &done["replayed"]), (&0.into(), &ROWS.into()));
    assert_eq!(delivered(&bench), principals(ROWS));
    let job = fs::read(bench.path("fleet.ndjson.job")).unwrap();
    assert!(job.len() < 1000, "a finished job keeps no keys");
    assert!(bench.ok(&arguments).stderr.contains("this batch is finished"));
}

/// Killed after its last line and before it says that it is done, a job is not believed to be.
#[test]
fn what_was_delivered_is_looked_for_before_a_job_is_called_finished() {
    let bench = Workbench::with_hierarchy();
    let arguments = killed(&bench, 4);
    let is_delivered = || {
        let job = fs::read(bench.path("fleet.ndjson.job")).unwrap();
        String::from_utf8_lossy(&job).contains("\"delivered\":{\"slices\":3")
    };
    while !is_delivered() {
        // Each run saves one more state.
        assert!(killed_at(&bench, "rename", 2, &arguments), "it ended before");
    }
    fs::rename(bench.path("fleet.ndjson"), bench.path("aside")).unwrap();
    for _ in 0..2 {
        bench.run(&arguments).refused(6, &["fleet.ndjson is gone"]);
    }
    fs::rename(bench.path("aside"), bench.path("fleet.ndjson")).unwrap();
    bench.ok(&arguments);
    assert_eq!(delivered(&bench), principals(ROWS));
}

#[test]
fn a_refusal_is_about_the_rest_and_keeps_what_is_delivered() {
    let bench = Workbench::with_hierarchy();
    let arguments = killed(&bench, 3);
    bench.ok(&["ca", "retire", "prod_ca_1"]);
    for _ in 0..2 {
        bench.run(&arguments).refused(
            1,
            &["is retired", "8 certificates of 10 in fleet.ndjson before that, all durable"],
        );
        assert_eq!(delivered(&bench), principals(8));
    }
}

#[test]
fn rows_are_judged_by_the_rules_of_today_only_if_they_are_not_issued() {
    let bench = Workbench::with_hierarchy();
    let arguments = killed(&bench, 3);
    write_profile(&bench, 13);
    let run = bench.run(&arguments);
    run.refused(
        1,
        &[
            "row 9 (line 10), validity_days: ",
            "2 of 10 rows are wrong, and no more were issued than the 8 certificates in the output",
        ],
    );
    assert!(!run.stderr.contains("row 8 "), "{}", run.stderr);
    assert_eq!(delivered(&bench), principals(8));
    write_profile(&bench, 14);
    let done = bench.json(&arguments);
    assert_eq!((&done["issued"], &done["replayed"]), (&2.into(), &8.into()));
    assert_eq!(delivered(&bench), principals(ROWS));
}

#[test]
fn a_row_that_was_left_out_stays_out_although_it_would_be_good_by_now() {
    let bench = Workbench::with_hierarchy();
    write_profile(&bench, 13);
    let days = |n| if n == 2 { 14 } else { 7 };
    let rows: String = (1..=ROWS).map(|n| format!("app-{n},{}\n", days(n))).collect();
    bench.write("fleet.csv", format!("principal,validity_days\n{rows}"));
    let flags = ["--rows-per-slice", "4", "--profile", "sensor", "--skip-invalid"];
    let arguments = issue("fleet.csv", "fleet.ndjson", &flags);
    assert!(killed_at(&bench, "rename", 3, &arguments));
    write_profile(&bench, 14);
    let done = bench.json(&arguments);
    assert_eq!((&done["issued"], &done["replayed"]), (&1.into(), &8.into()));
    let told = text(&done["wrong_rows"][0]["message"]);
    assert!(told.contains("it was wrong when this batch began"), "{told}");
    let mut expected = principals(ROWS);
    expected.remove(1);
    assert_eq!(delivered(&bench), expected);
}

#[test]
fn a_profile_that_is_gone_keeps_nothing_back_that_is_issued() {
    let bench = Workbench::with_hierarchy();
    let arguments = killed(&bench, 4);
    fs::remove_dir_all(bench.data().join("profiles")).unwrap();
    bench.ok(&arguments);
    assert_eq!(delivered(&bench), principals(ROWS));
}

#[test]
fn what_was_revoked_since_is_delivered_and_said() {
    let bench = Workbench::with_hierarchy();
    let arguments = killed(&bench, 4);
    for info in bench.certificates() {
        if ["app-6", "app-7"].contains(&text(&info["principal"])) {
            bench.ok(&["certs", "revoke", text(&info["id"])]);
        }
    }
    let run = bench.ok(&[&arguments[..], &["--format", "json"]].concat());
    let told = "2 rows, the first is row 6: cert-8 was revoked since it was issued";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    let done: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(done["row_notes"][0]["code"], "revoked_since");
    assert_eq!(delivered(&bench), principals(ROWS));
}

#[test]
fn another_batch_s_certificates_are_not_delivered_under_the_same_job() {
    let bench = Workbench::with_hierarchy();
    let arguments = killed(&bench, 4);
    // The state of another batch: its job has this one's name, and its keys are other ones.
    let other = [&issue("fleet.csv", "other.ndjson", &arguments[8..])[..], &["--job", "mine"]];
    assert!(killed_at(&bench, "rename", 4, &other.concat()));
    let [own, foreign] = ["fleet.ndjson.job", "other.ndjson.job"].map(|job| bench.path(job));
    let head = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let (own_bytes, foreign) = (fs::read(&own).unwrap(), fs::read(foreign).unwrap());
    let mut mixed = own_bytes[..head(&own_bytes)].to_vec();
    mixed.extend_from_slice(&foreign[head(&foreign)..foreign.len() - 4]);
    mixed.extend_from_slice(&crc32fast::hash(&mixed).to_le_bytes());
    fs::write(&own, mixed).unwrap();
    bench.run(&arguments).refused(1, &["has issued certificates before, for other keys or rows"]);
    fs::write(&own, own_bytes).unwrap();
    bench.ok(&arguments);
    assert_eq!(delivered(&bench), principals(ROWS));
}

#[test]
fn a_finished_folder_names_what_it_has_lost() {
    let bench = Workbench::with_hierarchy();
    let key = bench.path("own.key").display().to_string();
    let csr = bench.path("own.csr").display().to_string();
    let new = ["req", "-newkey", "ed25519", "-nodes", "-subj", "/CN=own"];
    openssl(&[&new[..], &["-keyout", &key, "-out", &csr]].concat()).unwrap();
    bench.write(
        "fleet.csv",
        "principal,role,csr\na,client,\nb,client,\nown,client,own.csr\nc,client,\n",
    );
    let arguments = issue("fleet.csv", "fleet", &[]);
    bench.ok(&arguments);
    assert!(bench.ok(&arguments).stderr.contains("this batch is finished"));
    let at = |name: &str| bench.path(format!("fleet/{name}"));
    let moved = |from: &str| {
        fs::rename(at(from), bench.path("aside")).unwrap();
        let run = bench.run(&arguments);
        fs::rename(bench.path("aside"), at(from)).unwrap();
        run
    };
    let said = "fleet is not as its batch left it: 1 file is missing or altered";
    moved("a/tls.key")
        .refused(6, &["fleet/a/tls.key is missing, and cannot be brought back", said]);
    moved("own/tls.crt").refused(6, &["fleet/own/tls.crt is missing", said]);
    moved("b").refused(6, &["fleet/b/tls.crt is missing", "certs export", said]);
    moved("c/root.crt").refused(6, &["fleet/c/root.crt is missing"]);
    fs::rename(at("a"), bench.path("aside")).unwrap();
    fs::rename(at("b"), at("a")).unwrap();
    let swapped = bench.run(&arguments);
    swapped.refused(6, &["fleet/a/tls.crt is another certificate", "2 files are missing"]);
    fs::rename(at("a"), at("b")).unwrap();
    fs::rename(bench.path("aside"), at("a")).unwrap();
    let other_key = fs::read(at("b/tls.key")).unwrap();
    let own_key = fs::read(at("a/tls.key")).unwrap();
    fs::write(at("a/tls.key"), other_key).unwrap();
    bench.run(&arguments).refused(6, &["fleet/a/tls.key is the key of another certificate"]);
    fs::write(at("a/tls.key"), own_key).unwrap();
    fs::set_permissions(at("a/tls.key"), fs::Permissions::from_mode(0o644)).unwrap();
    bench.run(&arguments).refused(6, &["fleet/a/tls.key belongs to another user, or is open"]);
    fs::set_permissions(at("a/tls.key"), fs::Permissions::from_mode(0o600)).unwrap();
    bench.ok(&arguments);
}

#[test]
fn numbered_folders_are_each_looked_for() {
    let bench = Workbench::with_hierarchy();
    bench.write("fleet.csv", "principal,role\na,client\nb,client\n");
    bench.ok(&issue("fleet.csv", "fleet.ndjson", &[]));
    bench.write("list", "cert-3\ncert-4\n");
    let renew = ["certs", "batch-renew", "--ca-id", "prod_ca_1", "--input", "list", "--output"];
    let arguments = [&renew[..], &["renewed"]].concat();
    bench.ok(&arguments);
    fs::rename(bench.path("renewed/a"), bench.path("renewed/a~2")).unwrap();
    bench.run(&arguments).refused(6, &["renewed/a/tls.crt or a numbered one beside it"]);
    fs::rename(bench.path("renewed/a~2"), bench.path("renewed/a")).unwrap();
    bench.ok(&arguments);
}
