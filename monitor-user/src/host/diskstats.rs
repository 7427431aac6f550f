//! /proc/diskstats: the kernel's own counters of each disk and partition.
//!
//! In: its text. Out: one [`Row`] a line. Kernels before 4.18 write 14 columns, before 5.5 18 (discards), later ones 20
//! (flushes); what a kernel leaves out is 0, what a later one adds is passed over. On 32-bit machines the times wrap at
//! 2^32 ms; that is left to whoever takes differences. (Kernel: block/genhd.c, `diskstats_show`;
//! Documentation/admin-guide/iostats.rst.)

use super::{DiskOperation, Diskstats, file::Expected};
use crate::device::DeviceId;

/// The unit of the kernel's sector counts, whatever the disk's own sectors are.
pub(super) const SECTOR: u64 = 512;

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// The disk's or partition's number.
    pub(super) device: DeviceId,
    /// Its name.
    pub(super) name: &'a str,
    /// Its counters.
    pub(super) stats: Diskstats,
}

/// Hands each line's disk or partition to `each`. Lines that are malformed are left out, and then that is the result.
pub(super) fn parse<'a>(text: &'a str, mut each: impl FnMut(Row<'a>)) -> Result<(), Expected> {
    let mut result = Ok(());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match parse_line(line) {
            Some(row) => each(row),
            None => result = Err(Expected("two numbers, a name and 11, 15 or 17 numbers in each line")),
        }
    }
    result
}

fn parse_line(line: &str) -> Option<Row<'_>> {
    let mut fields = line.split_ascii_whitespace();
    let device = DeviceId { major: fields.next()?.parse().ok()?, minor: fields.next()?.parse().ok()? };
    let name = fields.next()?;
    let mut counters = [0u64; 17];
    let mut count = 0;
    for (counter, field) in counters.iter_mut().zip(fields) {
        *counter = field.parse().ok()?;
        count += 1;
    }
    if !matches!(count, 11 | 15 | 17) {
        return None;
    }
    let operation = |requests: u64, sectors: u64, ms: u64| DiskOperation {
        requests,
        bytes: sectors.saturating_mul(SECTOR),
        time_ns: nanoseconds(ms),
    };
    // Columns 1, 5 and 12 count merges.
    let stats = Diskstats {
        read: operation(counters[0], counters[2], counters[3]),
        write: operation(counters[4], counters[6], counters[7]),
        discard: operation(counters[11], counters[13], counters[14]),
        flush: operation(counters[15], 0, counters[16]),
        in_flight: counters[8],
        busy_ns: nanoseconds(counters[9]),
        weighted_ns: nanoseconds(counters[10]),
    };
    Some(Row { device, name, stats })
}

fn nanoseconds(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> (Vec<Row<'_>>, Result<(), Expected>) {
        let mut rows = Vec::new();
        let result = parse(text, |row| rows.push(row));
        (rows, result)
    }

    #[test]
    fn each_column_is_read_where_the_kernel_puts_it() {
        let (rows, result) = all(" 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n");
        let operation =
            |requests, sectors: u64, ms: u64| DiskOperation { requests, bytes: sectors * 512, time_ns: ms * 1_000_000 };
        let stats = Diskstats {
            read: operation(1, 3, 4),
            write: operation(5, 7, 8),
            discard: operation(12, 14, 15),
            flush: operation(16, 0, 17),
            in_flight: 9,
            busy_ns: 10_000_000,
            weighted_ns: 11_000_000,
        };
        assert_eq!(rows, [Row { device: DeviceId { major: 259, minor: 0 }, name: "nvme0n1", stats }]);
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn older_kernels_have_fewer_columns_and_later_ones_more() {
        for (columns, discards, flushes) in [(11, 0, 0), (15, 12, 0), (17, 12, 16), (20, 12, 16)] {
            let numbers = (1..=columns).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
            let line = format!("8 0 sda {numbers}\n");
            let (rows, result) = all(&line);
            assert_eq!(result, Ok(()));
            assert_eq!((rows[0].stats.discard.requests, rows[0].stats.flush.requests), (discards, flushes));
        }
    }

    #[test]
    fn a_malformed_line_is_reported_and_costs_no_other_line() {
        let (rows, result) = all("8 0 sda 1 2 3\n8 16 sdb 1 2 3 4 5 6 7 8 9 10 11\n");
        assert_eq!(rows.len(), 1);
        assert!(result.is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9]{1,21} |sda |[ \n]|\\PC){0,60}") {
            let _ = all(&text);
        }

        #[test]
        fn what_was_written_is_read(major in 0u32..4096, minor in 0u32..1 << 20, counters in any::<[u32; 17]>()) {
            let numbers = counters.map(|counter| counter.to_string()).join(" ");
            let text = format!("{major:4} {minor:7} dm-1 {numbers}\n");
            let (rows, result) = all(&text);
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(rows[0].device, DeviceId { major, minor });
            prop_assert_eq!(rows[0].stats.write.bytes, u64::from(counters[6]) * 512);
            prop_assert_eq!(rows[0].stats.flush.time_ns, u64::from(counters[16]) * 1_000_000);
        }
    }
}
