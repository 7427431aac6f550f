//! The reference of signals and built-in rules, `docs/RULES.md`, out of their definitions.

use std::{fmt::Write as _, time::Duration};

use super::{
    engine::MOST_ALERTS,
    file::{Set, builtin, builtin_for},
    rule::Rule,
    signal::{Missing, SECTIONS, Signal},
    template,
};
use crate::config::duration;

/// What does not follow from the definitions.
const HEAD: &str = include_str!("reference.md");

/// The page, in Markdown.
pub fn page() -> String {
    let mut out = HEAD.replace("{MOST_ALERTS}", &MOST_ALERTS.to_string());
    out.push_str("\n## Names in templates\n\n| name | what it is |\n|---|---|\n");
    for (name, help) in template::NAMES {
        let _ = writeln!(out, "| `{{{{ {name} }}}}` | {help} |");
    }
    out.push_str("| `{{ labels.NAME }}` | a label of the alert |\n");

    out.push_str("\n## Built-in rules\n\n| rule | severity | when | for | why |\n|---|---|---|---|---|\n");
    builtin().iter().for_each(|rule| row_of_rule(&mut out, rule));

    out.push_str(
        "\n## Built-in rules of a server\n\nA server has these, and none of those above.\n\n\
         | rule | severity | when | for | why |\n|---|---|---|---|---|\n",
    );
    builtin_for(Set::Fleet).iter().for_each(|rule| row_of_rule(&mut out, rule));

    out.push_str("\n## Signals\n\nA signal marked ° is 0 for a thing that is not listed, where it would have been seen: it did nothing.\n");
    for (title, groups) in SECTIONS {
        let _ = write!(out, "\n### {title}\n\n| signal | unit | labels | what it says |\n|---|---|---|---|\n");
        groups.iter().copied().flatten().for_each(|signal| row_of_signal(&mut out, signal));
    }
    out
}

/// A time as it is written in a rule.
pub fn time(ns: u64) -> String {
    duration::format(Duration::from_nanos(ns))
}

fn row_of_rule(out: &mut String, rule: &Rule) {
    let off = if rule.enabled { "" } else { " (off)" };
    let keep = match rule.keep_firing_ns {
        0 => String::new(),
        ns => format!(", kept {}", time(ns)),
    };
    // A bar would end the cell.
    let when = rule.conditions().replace('|', "\\|");
    let _ = writeln!(
        out,
        "| `{}`{off} | {} | `{when}` | {}{keep} | {} |",
        rule.name,
        rule.severity.name(),
        time(rule.for_ns),
        rule.why
    );
}

fn row_of_signal(out: &mut String, signal: &Signal) {
    let labels: Vec<String> = signal.labels().iter().map(|label| format!("`{label}`")).collect();
    let zero = if matches!(signal.missing, Missing::Zero(_)) { " °" } else { "" };
    let _ =
        writeln!(out, "| `{}`{zero} | {} | {} | {} |", signal.name, signal.unit.name(), labels.join(", "), signal.help);
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use super::*;
    use crate::rules::file::parse;

    #[test]
    fn rules_page_is_what_the_definitions_say() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/RULES.md");
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&file, page()).expect("docs/RULES.md can be written");
        }
        let found = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == page(),
            "docs/RULES.md is not what the definitions say; to refresh it: UPDATE_DOCS=1 cargo test -p monitor-user rules_page"
        );
    }

    #[test]
    fn the_examples_are_right() {
        let examples: Vec<&str> = HEAD.split("```toml\n").skip(1).filter_map(|text| text.split("```").next()).collect();
        assert!(examples.len() > 1);
        for example in examples {
            parse(Path::new("example"), example.as_bytes()).unwrap_or_else(|errors| panic!("{errors}\n{example}"));
        }
    }
}
