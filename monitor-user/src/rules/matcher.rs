//! Label matchers: which values of a label a rule is for.

use std::fmt;

use crate::pattern::Patterns;

/// Which values of a label a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The label's name, one of the signal's.
    pub label: String,
    /// Its values.
    pub values: Patterns,
}

impl Matcher {
    /// Whether this value fits.
    pub fn fits(&self, value: &str) -> bool {
        self.values.fits(value)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.values.negated { "!=" } else { "=" };
        write!(f, "{}{sign}{:?}", self.label, self.values.any.join("|"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_reads_as_in_prometheus() {
        let matcher = |text| Matcher { label: "device".into(), values: Patterns::parse(text) }.to_string();
        assert_eq!(matcher("sd*|vda"), "device=\"sd*|vda\"");
        assert_eq!(matcher("!sd*|vda"), "device!=\"sd*|vda\"");
    }
}
