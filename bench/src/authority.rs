//! The authority on its store: durable, audited issuing, and growth with the number of stored
//! certificates.

use tokio::runtime::Runtime;

use crate::batch;
use crate::measure::{Table, Target, in_turns};
use crate::store::{CONCURRENCY, Store};

/// Certificates in the smaller store.
const SMALL: usize = 10_000;

/// Measures and adds the rows.
pub(crate) fn run(table: &mut Table, raw: f64) {
    let runtime = Runtime::new().unwrap();
    let mut small = Store::new(&runtime, 1);
    durable(table, raw, &runtime, &mut small);
    small.fill(&runtime, SMALL);
    let mut large = batch::run(table, &runtime);
    small.reopen();
    growth(table, &runtime, &mut small, &mut large);
}

fn durable(table: &mut Table, raw: f64, runtime: &Runtime, store: &mut Store) {
    let cell = std::cell::RefCell::new(store);
    let times = in_turns(
        9,
        4,
        &mut [
            &mut || {
                for _ in 0..CONCURRENCY {
                    cell.borrow_mut().issue_at_once(runtime, 1);
                }
            },
            &mut || cell.borrow_mut().issue_at_once(runtime, CONCURRENCY),
        ],
    );
    let mut row = |name, time: f64| {
        #[expect(clippy::cast_precision_loss, reason = "64 is exact")]
        let one = time / CONCURRENCY as f64;
        let detail = format!("raw keygen + sign {raw:.1} us / {one:.1} us of CPU");
        table.add(name, raw / one, detail, Target::Peer);
    };
    row("durable, audited issuing, one at a time", times[0]);
    row("durable, audited issuing, 64 at once", times[1]);
}

/// One operation on a store.
type Work = fn(&mut Store, &Runtime);

fn growth(table: &mut Table, runtime: &Runtime, small: &mut Store, large: &mut Store) {
    small.revoke_some(runtime, 100);
    large.revoke_some(runtime, 100);
    let stores = [std::cell::RefCell::new(small), std::cell::RefCell::new(large)];
    let works: [(&str, u32, Work); 4] = [
        ("growth 10,000 to 1,000,000: look-up", 100, Store::look_up),
        ("growth 10,000 to 1,000,000: issue", 20, |store, runtime| store.issue_at_once(runtime, 1)),
        ("growth 10,000 to 1,000,000: revoke", 4, |store, runtime| store.revoke_some(runtime, 1)),
        ("growth 10,000 to 1,000,000: start-up", 10, Store::start_up),
    ];
    for (name, repetitions, work) in works {
        let times = in_turns(
            15,
            repetitions,
            &mut [&mut || work(&mut stores[0].borrow_mut(), runtime), &mut || {
                work(&mut stores[1].borrow_mut(), runtime);
            }],
        );
        let detail = format!("{:.0} us / {:.0} us", times[1], times[0]);
        table.add(name, times[1] / times[0], detail, Target::AtMost(1.3));
    }
}
