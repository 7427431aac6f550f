//! /proc/net/dev: counters of the network interfaces of this process's network namespace, `lo` included.
//!
//! In: its text. Out: name and [`Network`], one after the other. (Kernel: net/core/net-procfs.c.)

use super::{Network, file::Expected};

/// Hands each interface to `each`. Lines that are malformed are left out, and then that is the result.
pub(super) fn parse(text: &str, mut each: impl FnMut(&str, Network)) -> Result<(), Expected> {
    let mut result = Ok(());
    for line in text.lines().skip(2).filter(|line| !line.trim().is_empty()) {
        match parse_line(line) {
            Some((name, network)) => each(name, network),
            None => result = Err(Expected("a name, a colon and 16 numbers in each line from the third on")),
        }
    }
    result
}

fn parse_line(line: &str) -> Option<(&str, Network)> {
    // A name may hold a colon (an alias); the numbers do not.
    let (name, numbers) = line.rsplit_once(':')?;
    let name = name.trim();
    let mut counters = [0u64; 16];
    let mut fields = numbers.split_ascii_whitespace();
    for counter in &mut counters {
        *counter = fields.next()?.parse().ok()?;
    }
    let network = Network {
        receive_bytes: counters[0],
        receive_packets: counters[1],
        receive_errors: counters[2],
        receive_drops: counters[3],
        transmit_bytes: counters[8],
        transmit_packets: counters[9],
        transmit_errors: counters[10],
        transmit_drops: counters[11],
    };
    (!name.is_empty()).then_some((name, network))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "Inter-|   Receive\n face |bytes\n";

    fn all(text: &str) -> (Vec<(String, Network)>, Result<(), Expected>) {
        let mut all = Vec::new();
        let result = parse(text, |name, network| all.push((name.to_owned(), network)));
        (all, result)
    }

    #[test]
    fn a_malformed_line_is_reported_and_costs_no_other_line() {
        let good = "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        let (all, result) = all(&format!("{HEAD}eth1: 1 2\n{good}\n"));
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].1.receive_drops, all[0].1.transmit_bytes, all[0].1.transmit_drops), (4, 9, 12));
        assert!(result.is_err());
    }

    #[test]
    fn a_number_that_touches_the_colon_and_an_alias_are_read() {
        let (all, result) = all(&format!("{HEAD}eth0:1:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"));
        assert_eq!((all[0].0.as_str(), all[0].1.receive_bytes), ("eth0:1", u64::MAX));
        assert_eq!(result, Ok(()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(lo:|[0-9]{1,22}|[ \n:]|\\PC){0,60}") {
            let _ = all(&format!("{HEAD}{text}"));
        }

        #[test]
        fn what_was_written_is_read(name in "[a-z0-9.@-]{1,15}", counters in any::<[u64; 16]>()) {
            let line = counters.map(|counter| counter.to_string()).join(" ");
            let (all, result) = all(&format!("{HEAD}{name:>6}: {line}\n"));
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(&all[0].0, &name);
            prop_assert_eq!(all[0].1.receive_bytes, counters[0]);
            prop_assert_eq!(all[0].1.transmit_errors, counters[10]);
        }
    }
}
