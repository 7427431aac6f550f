//! A load on the scheduler and on a disk.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use tests::{cpu, load::PingPong, scratch::Disk};

/// Switches on every CPU, and reads of a disk, until it is dropped.
pub struct Load {
    over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    _switches: Vec<PingPong>,
}

impl Load {
    pub fn start(disk: Disk) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = over.clone();
        let reader = thread::spawn(move || {
            while !stop.load(Relaxed) {
                disk.use_it(50);
            }
        });
        let switches = cpu::online().into_iter().map(|cpu| PingPong::start(cpu as usize)).collect();
        Self { over, reader: Some(reader), _switches: switches }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        let failed = self.reader.take().is_some_and(|reader| reader.join().is_err());
        assert!(!failed || thread::panicking(), "the disk could not be read");
    }
}
