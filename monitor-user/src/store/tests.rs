//! The store as a whole.

mod backup;
mod faults;
mod once;
mod reading;
mod retention;
mod sums;

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    testing::{BEGIN_NS, incoming},
    *,
};
use crate::durable::tests::Directory;

/// The end of a future that needs no runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Adds up as soon as there is anything.
fn eager() -> Limits {
    Limits { roll_up: Duration::ZERO, gather: Duration::ZERO, ..Limits::default() }
}

/// A store with a clock that stands still until it is set.
struct Place {
    store: Option<Store>,
    now_ns: Arc<AtomicU64>,
    limits: Limits,
    directory: Directory,
}

impl Place {
    fn new(limits: Limits) -> Self {
        let place =
            Self { store: None, now_ns: Arc::new(AtomicU64::new(BEGIN_NS)), limits, directory: Directory::new() };
        place.opened()
    }

    fn opened(mut self) -> Self {
        let now_ns = Arc::clone(&self.now_ns);
        let clock: Clock = Arc::new(move || now_ns.load(Relaxed));
        self.store = Some(Store::open_at(&self.directory.0, self.limits.clone(), clock).unwrap());
        self
    }

    /// Closes it, and opens it again.
    fn again(mut self) -> Self {
        self.store = None;
        self.opened()
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn set(&self, now_ns: u64) {
        self.now_ns.store(now_ns, Relaxed);
    }

    fn submit(&self, node: &str, sequences: impl IntoIterator<Item = u64>) {
        let reports = sequences.into_iter().map(|sequence| incoming(node, sequence)).collect();
        wait(self.store().submit(reports)).unwrap();
    }

    /// All rows of a node, as end and report.
    fn rows(&self, node: &str, resolution: Resolution) -> Vec<(u64, wire::Report)> {
        let page = self.store().reader().reports(node, resolution, 0, u64::MAX, MOST).unwrap();
        assert_eq!(page.next, None);
        page.items.iter().map(|stored| (stored.end_ns, stored.decode().unwrap())).collect()
    }

    fn sequences(&self, node: &str) -> Vec<u64> {
        self.rows(node, Resolution::Full).iter().map(|(_, report)| report.sequence).collect()
    }

    /// Waits for something that upkeep does.
    fn until(&self, what: &str, done: impl Fn(&Status) -> bool) {
        let begun = Instant::now();
        while !done(&self.store().status()) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {:?}", self.store().status());
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn rolled_up(&self) {
        self.until("everything is added up", |status| status.unrolled == 0);
    }
}

const MOST: usize = reader::MOST_ROWS;

/// Switches in a row.
fn switches(report: &wire::Report) -> u64 {
    report.sched.as_ref().unwrap().switches
}
