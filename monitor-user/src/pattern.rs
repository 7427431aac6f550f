//! Patterns for names: `*` stands for any characters, `?` for one; `|` stands between several, and `!` before them all takes
//! what none of them fits.

use std::fmt;

/// Which names are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patterns {
    /// Whether it takes what no pattern fits.
    pub negated: bool,
    /// One of them must fit.
    pub any: Vec<String>,
}

impl Patterns {
    /// From their text: `nvme*|sd?`, or `!loop*|ram*`.
    pub fn parse(text: &str) -> Self {
        let (negated, text) = text.strip_prefix('!').map_or((false, text), |text| (true, text));
        Self { negated, any: text.split('|').map(str::to_owned).collect() }
    }

    /// Whether this name is meant.
    pub fn fits(&self, name: &str) -> bool {
        self.any.iter().any(|pattern| fits(pattern, name)) != self.negated
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negated { "!" } else { "" };
        write!(f, "{sign}{}", self.any.join("|"))
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
    fn turned_patterns_take_what_none_of_them_fits() {
        let names = ["sda", "vda", "loop0"];
        for (text, expected) in [("sd*|vda", [true, true, false]), ("!sd*|vda", [false, false, true])] {
            let patterns = Patterns::parse(text);
            assert_eq!(names.map(|name| patterns.fits(name)), expected, "{text}");
            assert_eq!(patterns.to_string(), text);
        }
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
