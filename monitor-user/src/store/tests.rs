//! The store as a whole.

use super::{testing::incoming, *};
use crate::durable::tests::Directory;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn what_was_stored_is_read() {
    let directory = Directory::new();
    let store = Store::open(&directory.0, Limits::default()).unwrap();
    let reports: Vec<_> = (1..=30).map(|n| incoming("one", n)).collect();
    wait(store.submit(reports.clone())).unwrap();
    wait(store.submit(reports)).unwrap();
    let page = store.reader().reports("one", Resolution::Full, 0, u64::MAX, 20).unwrap();
    let sequences = |page: &Page<Stored, u64>| -> Vec<_> {
        page.items.iter().map(|stored| stored.decode().unwrap().sequence).collect()
    };
    assert_eq!(sequences(&page), (1..=20).collect::<Vec<_>>());
    let page = store.reader().reports("one", Resolution::Full, page.next.unwrap(), u64::MAX, 20).unwrap();
    assert_eq!((sequences(&page), page.next), ((21..=30).collect::<Vec<_>>(), None));
    let status = store.status();
    assert_eq!((status.stored, status.known), (30, 30));
}
