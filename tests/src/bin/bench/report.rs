//! The figures: printed as they come, and as tables in `docs/BENCHMARKS.md`.
//!
//! Each benchmark's table stands there between two comments that name it. Only those that ran are replaced, and what stands around
//! them is kept.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, bail};

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// One figure divided by another.
    Ratio,
    /// How many.
    Number,
    /// Nanoseconds.
    Ns,
    /// Milliseconds.
    Ms,
    /// Hundredths.
    Percent,
    /// 1024 bytes.
    KiB,
    /// 1024 KiB.
    MiB,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.3}"),
            Self::Number => format!("{value:.0}"),
            Self::Ns => format!("{value:.1} ns"),
            Self::Ms => format!("{value:.3} ms"),
            Self::Percent => format!("{value:.3} %"),
            Self::KiB => format!("{value:.1} KiB"),
            Self::MiB => format!("{value:.2} MiB"),
        }
    }
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Floor {
    /// It must not be above this.
    AtMost(f64),
    /// It must not be below this.
    AtLeast(f64),
}

#[derive(Debug)]
struct Row {
    what: String,
    value: f64,
    unit: Unit,
    floor: Option<Floor>,
}

impl Row {
    fn met(&self) -> Option<bool> {
        self.floor.map(|floor| match floor {
            Floor::AtMost(most) => self.value <= most,
            Floor::AtLeast(least) => self.value >= least,
        })
    }

    /// What, value, floor and verdict.
    fn cells(&self) -> [String; 3] {
        let floor = match self.floor {
            None => String::new(),
            Some(Floor::AtMost(most)) => format!("≤ {}", self.unit.show(most)),
            Some(Floor::AtLeast(least)) => format!("≥ {}", self.unit.show(least)),
        };
        let verdict = match self.met() {
            None => "",
            Some(true) => ", pass",
            Some(false) => ", FAIL",
        };
        [self.what.clone(), self.unit.show(self.value), format!("{floor}{verdict}")]
    }
}

#[derive(Debug)]
struct Section {
    name: &'static str,
    title: &'static str,
    rows: Vec<Row>,
}

/// All figures of one run.
#[derive(Debug, Default)]
pub struct Report {
    sections: Vec<Section>,
}

impl Report {
    /// What follows belongs to this benchmark.
    pub fn begin(&mut self, name: &'static str, title: &'static str) {
        println!("\n{title} ({name})");
        self.sections.push(Section { name, title, rows: Vec::new() });
    }

    /// A figure, and what it is held against.
    pub fn figure(&mut self, what: impl Into<String>, value: f64, unit: Unit, floor: Option<Floor>) {
        let row = Row { what: what.into(), value, unit, floor };
        let [what, value, floor] = row.cells();
        println!("  {what:<72} {value:>12}  {floor}");
        self.sections.last_mut().into_iter().for_each(|section| section.rows.push(Row { what: what.clone(), ..row }));
    }

    /// Names the floors that were missed.
    pub fn end(&self) {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        let missed: Vec<_> = rows.filter(|row| row.met() == Some(false)).map(|row| row.what.as_str()).collect();
        match missed.as_slice() {
            [] => println!("\nevery floor was met"),
            missed => println!("\n{} missed: {}", missed.len(), missed.join("; ")),
        }
    }

    /// Writes the tables into the document.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, or a table in it has no end.
    pub fn write(&self) -> Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate lies inside the workspace")?;
        let path = root.join("docs/BENCHMARKS.md");
        let text = fs::read_to_string(&path).unwrap_or_else(|_| "# Benchmarks\n".into());
        let machine = machine();
        let text = self.sections.iter().try_fold(text, |text, section| {
            let table = format!("{machine}\n\n{}", section.table());
            replace(&text, section.name, section.title, &table)
        })?;
        fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
        println!("written to {}", path.display());
        Ok(())
    }
}

impl Section {
    fn table(&self) -> String {
        let mut out = String::from("| | measured | floor |\n|---|---|---|\n");
        for row in &self.rows {
            let _ = writeln!(out, "| {} |", row.cells().join(" | "));
        }
        out
    }
}

/// Puts a table in its place, or at the end if it has none.
fn replace(text: &str, name: &str, title: &str, table: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let Some((before, rest)) = text.split_once(&begin) else {
        return Ok(format!("{}\n\n## {title}\n\n{begin}{table}{end}\n", text.trim_end()));
    };
    let Some((_, after)) = rest.split_once(&end) else {
        bail!("docs/BENCHMARKS.md: the table {name} has no end: add the line {end}");
    };
    Ok(format!("{before}{begin}{table}{end}{after}"))
}

/// The machine and the kernel, in one line.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cpuinfo = read("/proc/cpuinfo");
    let field =
        |name: &str| cpuinfo.lines().find(|line| line.starts_with(name))?.split_once(": ").map(|(_, value)| value);
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let profile = if cfg!(debug_assertions) { ", built without optimisation" } else { "" };
    format!("Linux {}, {cpus} CPUs, {}{profile}.", kernel.trim(), field("model name").unwrap_or("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_replaced_and_the_text_around_it_is_kept() {
        let text = "# B\n\nbefore\n\n<!-- begin x -->\nold\n<!-- end x -->\n\nafter\n";
        let new = replace(text, "x", "X", "new\n").unwrap();
        assert_eq!(new, "# B\n\nbefore\n\n<!-- begin x -->\nnew\n<!-- end x -->\n\nafter\n");
    }

    #[test]
    fn a_table_without_a_place_gets_one_and_stays_there() {
        let once = replace("# B\n", "x", "X", "one\n").unwrap();
        assert_eq!(once, "# B\n\n## X\n\n<!-- begin x -->\none\n<!-- end x -->\n");
        assert_eq!(replace(&once, "x", "X", "one\n").unwrap(), once);
    }

    #[test]
    fn a_table_without_an_end_is_not_guessed() {
        assert!(replace("<!-- begin x -->\nold\n", "x", "X", "new\n").is_err());
    }

    #[test]
    fn a_floor_is_met_at_its_own_value() {
        let row = |value, floor| Row { what: String::new(), value, unit: Unit::Ratio, floor: Some(floor) }.met();
        assert_eq!(row(1.7, Floor::AtMost(1.7)), Some(true));
        assert_eq!(row(1.71, Floor::AtMost(1.7)), Some(false));
        assert_eq!(row(29.0, Floor::AtLeast(30.0)), Some(false));
        assert_eq!(row(f64::NAN, Floor::AtMost(1.7)), Some(false));
    }
}
