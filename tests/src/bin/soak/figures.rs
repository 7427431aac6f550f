//! Slopes of figures over time, and the table of them.

use std::fs;

use anyhow::{Context as _, Result};

/// What surrounds the figures in the page.
const MARKS: [&str; 2] = ["<!-- soak: begin -->", "<!-- soak: end -->"];

/// One figure at several times, in hours.
#[derive(Clone, Debug, Default)]
pub struct Series(Vec<(f64, f64)>);

/// What becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Trend {
    /// Of all values.
    pub mean: f64,
    /// Growth in an hour.
    pub slope: f64,
    /// Growth over the whole run.
    pub drift: f64,
    /// Standard deviation around the line.
    pub spread: f64,
    /// The largest value.
    pub most: f64,
}

impl Series {
    /// Adds a value.
    pub fn push(&mut self, hours: f64, value: f64) {
        self.0.push((hours, value));
    }

    /// The least-squares line; absent with fewer than three values.
    pub fn trend(&self) -> Option<Trend> {
        let n = self.0.len() as f64;
        if n < 3.0 {
            return None;
        }
        let mean = |value: fn(&(f64, f64)) -> f64| self.0.iter().map(value).sum::<f64>() / n;
        let (time, value) = (mean(|it| it.0), mean(|it| it.1));
        let (mut with, mut of) = (0.0, 0.0);
        for (t, v) in &self.0 {
            with += (t - time) * (v - value);
            of += (t - time) * (t - time);
        }
        let slope = if of > 0.0 { with / of } else { 0.0 };
        let off = self.0.iter().map(|(t, v)| (v - value - slope * (t - time)).powi(2)).sum::<f64>();
        let first = self.0.first().map_or(0.0, |it| it.0);
        let last = self.0.last().map_or(0.0, |it| it.0);
        Some(Trend {
            mean: value,
            slope,
            drift: slope * (last - first),
            spread: (off / n).sqrt(),
            most: self.0.iter().fold(f64::MIN, |most, it| most.max(it.1)),
        })
    }
}

impl Trend {
    /// Whether it stays where it is, for all that can be seen.
    pub fn is_flat(&self) -> bool {
        self.drift <= (2.0 * self.spread).max(self.mean / 100.0)
    }
}

/// One line of the table.
pub struct Row {
    /// What it is.
    pub name: &'static str,
    /// In what.
    pub unit: &'static str,
    /// The values.
    pub series: Series,
    /// What it may not pass, where it may grow up to that.
    pub most: Option<f64>,
}

/// Memory of a process that is no file's, in KiB. How much of its program the kernel keeps there is the kernel's own affair.
pub fn own_kib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon in its status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// A table of figures.
pub fn table(title: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "{title}\n\n| figure | mean | most | slope an hour | drift | spread | |\n|---|---|---|---|---|---|---|\n"
    );
    for Row { name, unit, series, most } in rows {
        match series.trend() {
            Some(it) => {
                let verdict = match most {
                    _ if it.is_flat() => "flat".to_owned(),
                    Some(most) if it.most <= *most => format!("within its limit of {most:.0} {unit}"),
                    _ => "**GROWS**".to_owned(),
                };
                text += &format!(
                    "| {name} | {:.2} {unit} | {:.2} | {:+.3} | {:+.3} | {:.3} | {verdict} |\n",
                    it.mean, it.most, it.slope, it.drift, it.spread
                );
            }
            None => text += &format!("| {name} | - | - | - | - | - | not enough |\n"),
        }
    }
    text + "\n"
}

/// Puts the text into the page, in the place of the one before.
pub fn write(page: &str, text: &str) -> Result<()> {
    let before = fs::read_to_string(page).with_context(|| format!("{page}: the figures belong there"))?;
    let (head, rest) = before.split_once(MARKS[0]).context("the page has no place for the figures")?;
    let (_, tail) = rest.split_once(MARKS[1]).context("the place for the figures has no end")?;
    fs::write(page, format!("{head}{}\n\n{text}{}{tail}", MARKS[0], MARKS[1])).with_context(|| page.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_told_from_what_only_trembles() {
        let (mut flat, mut grows) = (Series::default(), Series::default());
        for n in 0..100 {
            let tremble = if n % 2 == 0 { 1.0 } else { -1.0 };
            flat.push(f64::from(n) / 100.0, 50.0 + tremble);
            grows.push(f64::from(n) / 100.0, 50.0 + tremble + f64::from(n) / 10.0);
        }
        assert!(flat.trend().unwrap().is_flat() && !grows.trend().unwrap().is_flat());
        assert!((grows.trend().unwrap().slope - 10.0).abs() < 0.1);
    }
}
