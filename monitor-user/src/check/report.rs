//! What the check found: one [`Requirement`] each, in groups. Plain data, and the same for people and programs.

use serde::Serialize;

/// How a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Met.
    Ok,
    /// kpulse does all it is for, with less or at a higher price.
    Degraded,
    /// Something that kpulse is for cannot be had.
    Missing,
}

impl Mark {
    /// The word for it, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Missing => "missing",
        }
    }
}

/// One thing that kpulse needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// What it is called; unique in its group.
    pub name: String,
    /// How it is met.
    pub mark: Mark,
    /// What is there.
    pub found: String,
    /// What is lost without it; absent if it is met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// How to get it; absent if it is met.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// One of many of a kind: people see those that are met as one line.
    #[serde(skip)]
    pub one_of_many: bool,
}

impl Requirement {
    /// One that is met.
    pub fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        let (name, found) = (name.into(), found.into());
        Self { name, mark: Mark::Ok, found, lost: None, remedy: None, one_of_many: false }
    }

    /// One that is not met, but kpulse does without.
    pub fn degraded(
        name: impl Into<String>,
        found: impl Into<String>,
        lost: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (lost, remedy) = (Some(lost.into()), Some(remedy.into()));
        Self { mark: Mark::Degraded, lost, remedy, ..Self::ok(name, found) }
    }

    /// One that is not met.
    pub fn missing(
        name: impl Into<String>,
        found: impl Into<String>,
        lost: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { mark: Mark::Missing, ..Self::degraded(name, found, lost, remedy) }
    }
}

/// Requirements that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What it is called by programs.
    pub name: String,
    /// What it is called by people.
    pub title: String,
    /// In the order in which people read them.
    pub requirements: Vec<Requirement>,
}

impl Group {
    /// Some requirements under a name.
    pub fn new(name: &str, title: impl Into<String>, requirements: Vec<Requirement>) -> Self {
        Self { name: name.into(), title: title.into(), requirements }
    }
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of kpulse.
    pub version: &'static str,
    /// The worst mark of all.
    pub mark: Mark,
    /// How many requirements are met.
    pub ok: usize,
    /// How many are not, but kpulse does without.
    pub degraded: usize,
    /// How many are not.
    pub missing: usize,
    /// The requirements.
    pub groups: Vec<Group>,
}

impl Report {
    /// The report on these groups.
    pub fn new(groups: Vec<Group>) -> Self {
        let marks = || groups.iter().flat_map(|group| &group.requirements).map(|requirement| requirement.mark);
        let count = |mark| marks().filter(|found| *found == mark).count();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            mark: marks().max().unwrap_or(Mark::Ok),
            ok: count(Mark::Ok),
            degraded: count(Mark::Degraded),
            missing: count(Mark::Missing),
            groups,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_mark_is_the_reports_mark() {
        let report = |marks: &[Mark]| {
            let one = |mark: &Mark| Requirement { mark: *mark, ..Requirement::ok("a", "b") };
            Report::new(vec![Group::new("g", "G", marks.iter().map(one).collect())])
        };
        assert_eq!(report(&[]).mark, Mark::Ok);
        assert_eq!(report(&[Mark::Ok, Mark::Degraded]).mark, Mark::Degraded);
        let all = report(&[Mark::Missing, Mark::Ok, Mark::Degraded, Mark::Ok]);
        assert_eq!((all.mark, all.ok, all.degraded, all.missing), (Mark::Missing, 2, 1, 1));
    }

    #[test]
    fn what_is_met_has_nothing_to_do_in_json() {
        let json = |requirement| serde_json::to_string(&requirement).unwrap();
        assert_eq!(json(Requirement::ok("a", "b")), r#"{"name":"a","mark":"ok","found":"b"}"#);
        assert_eq!(
            json(Requirement::missing("a", "b", "c", "d")),
            r#"{"name":"a","mark":"missing","found":"b","lost":"c","do":"d"}"#
        );
    }
}
