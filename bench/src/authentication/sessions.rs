//! 100,000 live sessions and a refresh that revokes one of them.

use std::sync::Arc;
use std::time::Instant;

use rustmq_auth::{AuthenticationManager, SessionEnd, SessionHandle};
use rustmq_pki::read::CertificateRef;

use super::World;
use super::issue::now;
use crate::measure::{Table, Target};

/// How many sessions are live, and how many certificates they rest on.
const SESSIONS: usize = 100_000;
const CERTIFICATES: u32 = 2_000;

#[expect(clippy::disallowed_methods, reason = "the delay of a message is wall-clock time")]
fn instant() -> Instant {
    Instant::now()
}

pub(super) fn run(table: &mut Table, world: &World) {
    let manager = AuthenticationManager::new(&world.trust(1, &[]), now()).unwrap();
    let leaves: Vec<_> = (0..CERTIFICATES).map(|number| world.leaf(number).1).collect();
    let contexts: Vec<_> = leaves
        .iter()
        .map(|leaf| {
            let chain = world.chain(leaf.clone());
            let context = manager.authenticate(&chain, now()).unwrap();
            (chain, context)
        })
        .collect();
    let mut handles: Vec<SessionHandle> = (0..SESSIONS)
        .map(|at| {
            let (chain, context) = &contexts[at % contexts.len()];
            manager.register(chain, context, now())
        })
        .collect();
    let last = handles.pop().unwrap();
    let revoked = CertificateRef::read(&leaves[(SESSIONS - 1) % leaves.len()]).unwrap();
    let trust = world.trust(2, &[revoked.serial.as_bytes().to_vec()]);
    let waiting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let end = runtime.block_on(last);
        assert!(matches!(end, SessionEnd::Revoked(_)));
        instant()
    });
    let manager = Arc::new(manager);
    let start = instant();
    let ended = manager.refresh(&trust, now()).unwrap().ended;
    let whole = start.elapsed();
    let told = waiting.join().unwrap() - start;
    assert_eq!(ended, SESSIONS / leaves.len());
    let milliseconds = told.as_secs_f64() * 1e3;
    let detail = format!(
        "{milliseconds:.1} ms / 100 ms; {SESSIONS} sessions re-checked in {:.0} ms",
        whole.as_secs_f64() * 1e3
    );
    table.add("revoked session told", milliseconds / 100.0, detail, Target::AtMost(1.0));
}
