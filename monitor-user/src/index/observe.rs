//! What a window says of each signal.
//!
//! In: a [`Window`]. Out: an [`Observation`] of requests and their seconds, from the kernel's sums and counts. Left out is
//! what has no times of its own: passthrough commands, whose times no one can compare, and devices known from diskstats only.

use monitor_common::block::Operation as Kind;

use super::{Load, Observation, Part, Signal, Stratum};
use crate::{
    host::Class,
    window::{Block, Source, Window},
};

/// What `window` says of `signal`: absent if its probe was off, empty if nothing was done.
pub fn observe(signal: Signal, window: &Window) -> Option<Observation> {
    match signal {
        Signal::Block => window.block.as_ref().and_then(requests),
        Signal::RunQueue => {
            let sched = window.sched.as_ref()?;
            let stratum = Stratum { class: Class::Unknown, operation: 0, size: 0 };
            let mut load = Load { requests: sched.plain_waits, seconds: sched.plain_wait_seconds };
            if let Some(wait) = &sched.wait {
                load.add(Load { requests: wait.count, seconds: wait.sum });
            }
            let part = Part { device: String::new(), stratum };
            Some((load.requests > 0).then_some((part, load)).into_iter().collect())
        }
    }
}

/// `None` if all that is known of any device is from diskstats, or if sizes are not told apart: then nothing can be held
/// against what is usual for a size.
fn requests(block: &Block) -> Option<Observation> {
    if block.coarse {
        return None;
    }
    if !block.devices.is_empty() && block.devices.iter().all(|device| device.source == Source::Diskstats) {
        return None;
    }
    let mut out = Observation::new();
    for device in block.devices.iter().filter(|device| device.source == Source::Requests) {
        for operation in &device.operations {
            let kind = Kind::ALL.iter().find(|kind| kind.name() == operation.operation);
            let Some(&kind) = kind.filter(|kind| **kind != Kind::Passthrough) else { continue };
            for (size, class) in (0u8..).zip(&operation.classes).filter(|(_, class)| class.timed > 0) {
                let stratum = Stratum { class: device.class, operation: kind as u8, size };
                let seconds = class.queue_ns.saturating_add(class.device_ns) as f64 / 1e9;
                let part = Part { device: device.name.clone(), stratum };
                out.entry(part).or_default().add(Load { requests: class.timed, seconds });
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{expose::testing, sample};

    fn window() -> Window {
        let mut window = testing::window();
        let device = &mut window.block.as_mut().unwrap().devices[0];
        let class =
            |timed| sample::Class { requests: 9, bytes: 9, timed, queue_ns: 1_000_000_000, device_ns: 500_000_000 };
        device.operations[0].classes = vec![class(0), class(4), class(2)];
        window
    }

    #[test]
    fn requests_with_known_times_are_told_apart_by_size() {
        let seen = observe(Signal::Block, &window()).unwrap();
        let seen: Vec<_> = seen.iter().map(|(part, load)| (&part.device[..], part.stratum.size, *load)).collect();
        let load = |requests| Load { requests, seconds: 1.5 };
        assert_eq!(seen, [("sd0", 1, load(4)), ("sd0", 2, load(2))]);
    }

    #[test]
    fn what_has_no_times_of_its_own_is_left_out() {
        let mut passthrough = window();
        passthrough.block.as_mut().unwrap().devices[0].operations[0].operation = Kind::Passthrough.name().into();
        assert_eq!(observe(Signal::Block, &passthrough), Some(Observation::new()));
        let mut diskstats = window();
        diskstats.block.as_mut().unwrap().devices[0].source = Source::Diskstats;
        assert_eq!(observe(Signal::Block, &diskstats), None);
    }

    #[test]
    fn a_probe_that_is_off_says_nothing_and_an_idle_one_says_none() {
        let mut window = window();
        let waits = observe(Signal::RunQueue, &window).unwrap();
        assert_eq!(waits.into_values().collect::<Vec<_>>(), [Load { requests: 100, seconds: 1.0 }]);
        window.sched.as_mut().unwrap().wait = None;
        assert_eq!(observe(Signal::RunQueue, &window), Some(Observation::new()));
        window.sched = None;
        assert_eq!(observe(Signal::RunQueue, &window), None);
    }
}
