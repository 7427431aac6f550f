//! Reads a scrape: Prometheus' text format 0.0.4, as far as kpulse writes it.

use std::collections::BTreeMap;

/// A scrape.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// The type of each family.
    types: BTreeMap<String, String>,
    /// Every series, as it is written, with its value.
    pub series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Reads it.
    ///
    /// # Panics
    ///
    /// If a line cannot be read, or a series is there twice.
    pub fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                if let Some((name, kind)) = comment.strip_prefix(" TYPE ").and_then(|rest| rest.split_once(' ')) {
                    scrape.types.insert(name.into(), kind.into());
                }
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a series: {line:?}"));
            let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line:?}"));
            assert!(scrape.series.insert(series.into(), value).is_none(), "twice: {line:?}");
        }
        scrape
    }

    /// The series of one name that hold all of these, such as `device="sda"`.
    pub fn of<'a>(&'a self, name: &str, labels: &[&str]) -> Vec<(&'a str, f64)> {
        let holds = |series: &str| name_of(series) == name && labels.iter().all(|label| series.contains(label));
        let all = self.series.iter().map(|(series, value)| (series.as_str(), *value));
        all.filter(|(series, _)| holds(series)).collect()
    }

    /// Their sum; absent without any.
    pub fn sum(&self, name: &str, labels: &[&str]) -> Option<f64> {
        self.of(name, labels).into_iter().map(|(_, value)| value).reduce(|a, b| a + b)
    }

    /// The value of a series without labels.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.series.get(name).copied()
    }

    /// The series that may only grow: counters, and all of a histogram.
    pub fn growing(&self) -> impl Iterator<Item = (&str, f64)> {
        let grows = |series: &str| {
            let name = name_of(series);
            let is = |family: &str, kind: &str| self.types.get(family).is_some_and(|found| found == kind);
            let histogram = |suffix: &str| name.strip_suffix(suffix).is_some_and(|family| is(family, "histogram"));
            is(name, "counter") || ["_bucket", "_sum", "_count"].into_iter().any(histogram)
        };
        self.series.iter().map(|(series, value)| (series.as_str(), *value)).filter(move |(series, _)| grows(series))
    }
}

/// The value of a label of a series, as it is written.
pub fn label<'a>(series: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = series.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

fn name_of(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}
