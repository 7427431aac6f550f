//! Annotations as templates: text with `{{ name }}` in it. What a name can be is known when the file is read, so that no alert
//! goes out with a hole in it.

use std::collections::BTreeMap;

use crate::config::problem::{did_you_mean, nearest, printable, quoted};

/// A text with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value,
    Threshold,
    Clear,
    Node,
    Rule,
    Severity,
    Signal,
    Label(String),
}

/// What a template is filled with.
#[derive(Clone, Copy, Debug)]
pub struct Fill<'a> {
    /// The signal's value, its threshold and its clearing threshold, for people.
    pub figures: [&'a str; 3],
    /// The alert's labels.
    pub labels: &'a BTreeMap<String, String>,
    /// The signal's name.
    pub signal: &'a str,
}

/// Every name but `labels.NAME`.
pub const NAMES: [(&str, &str); 7] = [
    ("value", "the signal's value, in its unit"),
    ("threshold", "what it is compared with"),
    ("clear", "where the alert is over"),
    ("node", "the node's name"),
    ("rule", "the rule's name"),
    ("severity", "the rule's severity"),
    ("signal", "the signal's name"),
];

impl Template {
    /// Reads a template of a rule whose alerts carry these labels besides `alertname`, `severity` and `node`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence without its beginning.
    pub fn parse(text: &str, labels: &[&str]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or("a {{ has no }}")?;
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(part(name.trim(), labels)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self { text: text.into(), parts })
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with its values. A label that the alert does not have is shown as `?`.
    pub fn fill(&self, fill: &Fill<'_>) -> String {
        let label = |name: &str| fill.labels.get(name).map_or("?".into(), |value| printable(value));
        let [value, threshold, clear] = fill.figures;
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value => out.push_str(value),
                Part::Threshold => out.push_str(threshold),
                Part::Clear => out.push_str(clear),
                Part::Node => out.push_str(&label("node")),
                Part::Rule => out.push_str(&label("alertname")),
                Part::Severity => out.push_str(&label("severity")),
                Part::Signal => out.push_str(fill.signal),
                Part::Label(name) => out.push_str(&label(name)),
            }
        }
        out
    }
}

fn part(name: &str, labels: &[&str]) -> Result<Part, String> {
    Ok(match name {
        "value" => Part::Value,
        "threshold" => Part::Threshold,
        "clear" => Part::Clear,
        "node" => Part::Node,
        "rule" => Part::Rule,
        "severity" => Part::Severity,
        "signal" => Part::Signal,
        _ => {
            let known: Vec<&str> = labels.iter().copied().chain(["alertname", "severity", "node"]).collect();
            match name.strip_prefix("labels.") {
                Some(label) if known.contains(&label) => Part::Label(label.into()),
                _ => {
                    let labels: Vec<String> = known.iter().map(|label| format!("labels.{label}")).collect();
                    let names: Vec<&str> =
                        NAMES.iter().map(|(name, _)| *name).chain(labels.iter().map(String::as_str)).collect();
                    let hint = match nearest(name, names.iter().copied()) {
                        meant if meant.is_empty() => format!(": there are {}", names.join(", ")),
                        meant => did_you_mean(&meant),
                    };
                    return Err(format!("{} is no name for a template{hint}", quoted(name)));
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(text: &str) -> Result<String, String> {
        let labels = [("alertname", "R"), ("severity", "info"), ("node", "n1"), ("device", "sd\u{1b}a")];
        let labels = labels.map(|(name, value)| (name.to_string(), value.to_string())).into();
        let fill = Fill { figures: ["12ms", "10ms", "5ms"], labels: &labels, signal: "s" };
        Template::parse(text, &["device"]).map(|template| template.fill(&fill))
    }

    #[test]
    fn every_name_has_its_value() {
        let names: Vec<String> = NAMES.iter().map(|(name, _)| format!("{{{{ {name} }}}}")).collect();
        assert_eq!(fill(&names.join(" ")).unwrap(), "12ms 10ms 5ms n1 R info s");
        assert_eq!(fill("{{labels.device}}: {{ labels.alertname }}").unwrap(), "sd\\u{1b}a: R");
        assert_eq!(fill("plain } text {").unwrap(), "plain } text {");
    }

    #[test]
    fn an_unknown_name_is_an_error_that_says_what_there_is() {
        assert_eq!(fill("{{ vlaue }}").unwrap_err(), "\"vlaue\" is no name for a template: did you mean \"value\"?");
        assert!(fill("{{ labels.cpu }}").unwrap_err().contains("\"labels.cpu\" is no name"));
        assert!(fill("{{ frobnication }}").unwrap_err().contains("there are value, threshold, clear, node"));
        assert_eq!(fill("a {{ value").unwrap_err(), "a {{ has no }}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", inner in "[ a-z.{}]*") {
            let _ = fill(&text);
            let _ = fill(&format!("{{{{{inner}"));
        }
    }
}
