//! Label matchers: `*` stands for any characters, `?` for one, `!` before a pattern turns it round.

use std::fmt;

/// Which values of a label a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The label's name, one of the signal's.
    pub label: String,
    /// Whether it takes what no pattern fits.
    pub negated: bool,
    /// One of them must fit.
    pub patterns: Vec<String>,
}

impl Matcher {
    /// Whether this value fits.
    pub fn fits(&self, value: &str) -> bool {
        self.patterns.iter().any(|pattern| fits(pattern, value)) != self.negated
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negated { "!=" } else { "=" };
        write!(f, "{}{sign}{:?}", self.label, self.patterns.join("|"))
    }
}

/// Whether a value fits a pattern. Takes time in proportion to the product of their lengths at most.
fn fits(pattern: &str, value: &str) -> bool {
    let (mut pattern, mut value) = (pattern.chars(), value.chars());
    // Where to go on after a mismatch: behind the latest star, which then takes one character more.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (wanted, found) = (pattern.clone().next(), value.clone().next());
        match (wanted, found) {
            (Some('*'), _) => {
                pattern.next();
                retry = Some((pattern.clone(), value.clone()));
                continue;
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            (None, None) => return true,
            _ => {
                let Some((after_star, from)) = &mut retry else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, value) = (after_star.clone(), from.clone());
                continue;
            }
        }
        pattern.next();
        value.next();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_fit_whole_values() {
        for (pattern, value, expected) in [
            ("sda", "sda", true),
            ("sda", "sdab", false),
            ("sd?", "sda", true),
            ("sd?", "sd", false),
            ("nvme*", "nvme0n1", true),
            ("*n1", "nvme0n1", true),
            ("n*e*1", "nvme0n1", true),
            ("*a*a*", "ba", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("**é", "aé", true),
        ] {
            assert_eq!(fits(pattern, value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn a_turned_matcher_takes_what_no_pattern_fits() {
        let matcher = |negated| Matcher { label: "device".into(), negated, patterns: vec!["sd*".into(), "vda".into()] };
        assert_eq!(["sda", "vda", "loop0"].map(|value| matcher(false).fits(value)), [true, true, false]);
        assert_eq!(["sda", "vda", "loop0"].map(|value| matcher(true).fits(value)), [false, false, true]);
        assert_eq!(matcher(true).to_string(), "device!=\"sd*|vda\"");
    }

    proptest! {
        #[test]
        fn a_value_fits_itself_and_itself_with_a_part_left_to_a_star(value in "[a-c]{0,8}", from in 0usize..9, to in 0usize..9) {
            let (from, to) = (from.min(to).min(value.len()), from.max(to).min(value.len()));
            prop_assert!(fits(&value, &value));
            let pattern = format!("{}*{}", &value[..from], &value[to..]);
            prop_assert!(fits(&pattern, &value), "{}", pattern);
        }

        #[test]
        fn a_longer_value_does_not_fit_a_pattern_without_stars(pattern in "[a-c?]{0,5}", value in "[a-c]{6,9}") {
            prop_assert!(!fits(&pattern, &value));
        }
    }
}
