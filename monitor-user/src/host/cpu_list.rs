//! Lists of CPUs as the kernel writes them: `0-3,8,10-11`. (Kernel: lib/bitmap-str.c.)

/// More than any kernel knows (`NR_CPUS` is at most 8192): a list that names a higher one is garbage, not a machine.
const MOST: u32 = 1 << 16;

/// Reads a list of CPUs, such as /sys/devices/system/cpu/online. Out: their numbers, in order; `None` if it is no list.
/// An empty list is a list.
pub fn parse_cpu_list(text: &str) -> Option<Vec<u32>> {
    let text = text.trim();
    let mut cpus = Vec::new();
    if text.is_empty() {
        return Some(cpus);
    }
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (parse_cpu(first)?, parse_cpu(last)?);
        if first > last || cpus.last().is_some_and(|&before| before >= first) {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

fn parse_cpu(text: &str) -> Option<u32> {
    // `parse` would take a leading plus.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&cpu| digits && cpu < MOST)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The way the kernel writes a set of CPUs.
    fn write(cpus: &BTreeSet<u32>) -> String {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for &cpu in cpus {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == cpu => *last = cpu,
                _ => ranges.push((cpu, cpu)),
            }
        }
        let write = |(first, last): &(u32, u32)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        ranges.iter().map(write).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["x", "1-", "-1", "3-1", "1,1", "2,1", "0-4294967295", "+1", "1,,2"] {
            assert_eq!(parse_cpu_list(text), None, "{text}");
        }
        assert_eq!(parse_cpu_list("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
    }

    proptest! {
        #[test]
        fn a_list_that_was_written_is_read(cpus in proptest::collection::btree_set(0u32..600, 0..80)) {
            prop_assert_eq!(parse_cpu_list(&write(&cpus)), Some(cpus.into_iter().collect()));
        }

        #[test]
        fn no_text_makes_it_panic(text in "([0-9]{1,6}|[-,+ ]|\\PC){0,20}") {
            let _ = parse_cpu_list(&text);
        }
    }
}
