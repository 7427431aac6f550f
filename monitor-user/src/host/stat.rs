//! /proc/stat: CPU time by mode, context switches and tasks made. (Kernel: fs/proc/stat.c; Documentation/filesystems/proc.rst.)
//!
//! In: its text. Out: [`CpuModes`] of all CPUs together, and `ctxt`.

use std::sync::OnceLock;

use super::{CpuModes, file::Expected};

/// What /proc/stat says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// CPU time by mode, of all CPUs.
    pub(super) modes: CpuModes,
    /// Context switches since boot.
    pub(super) context_switches: u64,
    /// Tasks made since boot, threads included.
    pub(super) forks: Option<u64>,
}

/// The unit of /proc's CPU times: ticks a second, 100 nearly everywhere.
pub fn hz() -> u64 {
    static HZ: OnceLock<u64> = OnceLock::new();
    *HZ.get_or_init(|| {
        // SAFETY: sysconf takes a number and touches no memory of ours.
        let hz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        u64::try_from(hz).ok().filter(|&hz| hz > 0).unwrap_or(100)
    })
}

/// Reads the text of /proc/stat, whose times are in ticks of which `hz` make a second.
pub(super) fn parse(text: &str, hz: u64) -> Result<Stat, Expected> {
    let mut modes = None;
    let (mut context_switches, mut forks) = (None, None);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("cpu ") {
            modes = Some(parse_modes(rest, hz)?);
        } else if let Some(rest) = line.strip_prefix("ctxt ") {
            context_switches = rest.trim().parse().ok();
        } else if let Some(rest) = line.strip_prefix("processes ") {
            forks = rest.trim().parse().ok();
            break;
        }
    }
    Ok(Stat {
        modes: modes.ok_or(Expected("a line `cpu ` with the time of all CPUs"))?,
        context_switches: context_switches.ok_or(Expected("a line `ctxt ` with a number"))?,
        forks,
    })
}

fn parse_modes(text: &str, hz: u64) -> Result<CpuModes, Expected> {
    let mut ticks = [0u64; 8];
    let mut fields = text.split_ascii_whitespace();
    for tick in &mut ticks {
        let field = fields.next().ok_or(Expected("eight times in the line `cpu `"))?;
        *tick = field.parse().map_err(|_| Expected("numbers in the line `cpu `"))?;
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal] =
        ticks.map(|ticks| ticks.saturating_mul(1_000_000_000 / hz.max(1)));
    Ok(CpuModes { user, nice, system, idle, iowait, irq, softirq, steal })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_modes_are_nanoseconds_in_the_kernels_order() {
        let stat = parse("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5 0 0\nctxt 77\n", 100).unwrap();
        let modes = CpuModes {
            user: 10_000_000,
            nice: 20_000_000,
            system: 30_000_000,
            idle: 40_000_000,
            iowait: 50_000_000,
            irq: 60_000_000,
            softirq: 70_000_000,
            steal: 80_000_000,
        };
        assert_eq!(stat, Stat { modes, context_switches: 77, forks: None });
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(parse("ctxt 1\n", 100), Err(Expected("a line `cpu ` with the time of all CPUs")));
        assert_eq!(parse("cpu  1 2 3 4 5 6 7 8\n", 100), Err(Expected("a line `ctxt ` with a number")));
        assert_eq!(parse("cpu  1 2 3\nctxt 1\n", 100), Err(Expected("eight times in the line `cpu `")));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(cpu|ctxt|intr|[0-9]|[ \n-]|\\PC){0,40}", hz in any::<u64>()) {
            let _ = parse(&text, hz);
        }

        #[test]
        fn what_was_written_is_read(ticks in any::<[u32; 8]>(), switches in any::<u64>()) {
            let line = ticks.map(|tick| tick.to_string()).join(" ");
            let stat = parse(&format!("cpu  {line} 0 0\nctxt {switches}\n"), 1_000).unwrap();
            prop_assert_eq!(stat.context_switches, switches);
            prop_assert_eq!(stat.modes.user, u64::from(ticks[0]) * 1_000_000);
            prop_assert_eq!(stat.modes.steal, u64::from(ticks[7]) * 1_000_000);
        }
    }
}
