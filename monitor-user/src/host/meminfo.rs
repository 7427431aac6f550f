//! /proc/meminfo: memory and swap. (Kernel: fs/proc/meminfo.c; "kB" there means KiB.)
//!
//! In: its text. Out: [`Memory`] in bytes.

use super::{Memory, file::Expected};

/// Reads the text of /proc/meminfo. A kernel without swap or block devices leaves those lines out: they are 0.
pub(super) fn parse(text: &str) -> Result<Memory, Expected> {
    let mut memory = Memory::default();
    let (mut total, mut free, mut available) = (None, None, None);
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let field = match name {
            "MemTotal" => total.insert(0),
            "MemFree" => free.insert(0),
            "MemAvailable" => available.insert(0),
            "Buffers" => &mut memory.buffers,
            "Cached" => &mut memory.cached,
            "Dirty" => &mut memory.dirty,
            "Writeback" => &mut memory.writeback,
            "SwapTotal" => &mut memory.swap_total,
            "SwapFree" => &mut memory.swap_free,
            _ => continue,
        };
        let number = value.split_ascii_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        *field = number.ok_or(Expected("a number of kB after each name"))?.saturating_mul(1024);
        if name == "Writeback" {
            break; // The kernel's order puts it last of those wanted.
        }
    }
    memory.total = total.ok_or(Expected("a line `MemTotal:`"))?;
    memory.free = free.ok_or(Expected("a line `MemFree:`"))?;
    memory.available = available.ok_or(Expected("a line `MemAvailable:`"))?;
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_missing_total_is_named_rather_than_zero() {
        assert_eq!(parse("MemFree: 1 kB\nMemAvailable: 1 kB\n"), Err(Expected("a line `MemTotal:`")));
        assert_eq!(parse("MemTotal: much kB\n"), Err(Expected("a number of kB after each name")));
    }

    #[test]
    fn a_kernel_without_swap_has_none() {
        let memory = parse("MemTotal: 4 kB\nMemFree: 1 kB\nMemAvailable: 2 kB\nCached: 3 kB\n").unwrap();
        assert_eq!(memory, Memory { total: 4096, free: 1024, available: 2048, cached: 3072, ..Memory::default() });
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(MemTotal|MemFree|Dirty|:|[0-9]|kB|[ \n]|\\PC){0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_was_written_is_read(kib in any::<[u32; 9]>()) {
            let [total, free, available, buffers, cached, swap_total, swap_free, dirty, writeback] =
                kib.map(|kib| u64::from(kib) << 10);
            let names = ["MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapTotal", "SwapFree", "Dirty", "Writeback"];
            let text: String = names.iter().zip(kib).map(|(name, kib)| format!("{name}: {kib:>15} kB\nOther: 1\n")).collect();
            let memory = Memory { total, free, available, buffers, cached, dirty, writeback, swap_total, swap_free };
            prop_assert_eq!(parse(&text), Ok(memory));
        }
    }
}
