//! What reaches the disk before what, read from a trace.
//!
//! A killed process leaves its page cache behind, so a kill cannot show that something was not on
//! the disk yet. The order of system calls does: the reservation's fsync comes before the key is
//! used, and the completion's before anything is said.

use std::fs;
use std::path::Path;

use super::child::{self, ACKNOWLEDGED, BEGIN, Child, Operation, SIGNING};
use super::fixture;

/// What the order depends on, in the order of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Begin,
    Write,
    Sync,
    Sign,
    Acknowledge,
}

fn event(line: &str) -> Option<Event> {
    let on_wal = line.contains("authority.db-wal>");
    if line.contains("pwrite64(") && on_wal {
        Some(Event::Write)
    } else if line.contains("fsync(") && on_wal {
        Some(Event::Sync)
    } else if line.contains("openat(") && line.contains(&format!("/{BEGIN}\"")) {
        Some(Event::Begin)
    } else if line.contains("openat(") && line.contains(SIGNING) {
        Some(Event::Sign)
    } else if line.contains("write(1<") && line.contains(ACKNOWLEDGED.trim_end()) {
        Some(Event::Acknowledge)
    } else {
        None
    }
}

fn trace(template: &Path, directory: &Path, without_fsync: bool) -> Vec<Event> {
    let data_dir = directory.join("data");
    let markers = directory.join("markers");
    fs::create_dir_all(&markers).expect("a directory");
    fixture::copy_directory(template, &data_dir);
    let path = directory.join("trace");
    let under = [
        "strace",
        "-f",
        "-y",
        "-s",
        "4096",
        "-o",
        path.to_str().expect("a UTF-8 path"),
        "-e",
        "trace=openat,fsync,fdatasync,pwrite64,write",
    ];
    let output = Child {
        operation: Operation::Issue,
        data_dir: &data_dir,
        markers: &markers,
        without_fsync,
        die_at_signature: false,
        under: &under,
    }
    .run();
    assert!(child::acknowledged(&output).is_some(), "{output:?}");
    fs::read_to_string(&path).expect("a trace").lines().filter_map(event).collect()
}

/// Between `from` and `to` something was written, and the last write was followed by an fsync.
fn durable_between(events: &[Event], from: Event, to: Event) -> Result<(), String> {
    let place = |wanted| events.iter().position(|event| *event == wanted);
    let (Some(from_at), Some(to_at)) = (place(from), place(to)) else {
        return Err(format!("{from:?} or {to:?} is not in the trace"));
    };
    if from_at > to_at {
        return Err(format!("{to:?} comes before {from:?}"));
    }
    let between = &events[from_at..to_at];
    let last = |wanted| between.iter().rposition(|event| *event == wanted);
    match (last(Event::Write), last(Event::Sync)) {
        (Some(write), Some(sync)) if write < sync => Ok(()),
        (None, _) => Err(format!("nothing was written between {from:?} and {to:?}")),
        _ => Err(format!("what was written before {to:?} was not on the disk")),
    }
}

fn check(events: &[Event]) -> Result<(), String> {
    durable_between(events, Event::Begin, Event::Sign)?;
    durable_between(events, Event::Sign, Event::Acknowledge)
}

#[test]
fn the_reservation_is_durable_before_the_signature_and_the_completion_before_any_output() {
    let temp = tempfile::tempdir().expect("a directory");
    let template = fixture::template(temp.path());
    check(&trace(&template, &temp.path().join("full"), false)).expect("the order holds");
}

#[test]
fn the_same_check_fails_without_fsync() {
    let temp = tempfile::tempdir().expect("a directory");
    let template = fixture::template(temp.path());
    let events = trace(&template, &temp.path().join("off"), true);
    assert!(events.contains(&Event::Write) && events.contains(&Event::Sign));
    let verdict = check(&events);
    assert!(verdict.expect_err("no fsync, no order").contains("not on the disk"));
}
