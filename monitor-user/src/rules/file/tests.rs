//! What files give, and what is said of bad ones.

use proptest::prelude::*;

use super::*;
use crate::{
    alert::Severity,
    rules::{rule::Compare, signal::signals},
};

fn parse(text: &str) -> Result<Vec<Rule>, Vec<String>> {
    super::parse(Path::new("f"), text.as_bytes()).map_err(|errors| errors.0.iter().map(ToString::to_string).collect())
}

/// The rules of a file alone.
fn rules(text: &str) -> Vec<Rule> {
    parse(&format!("builtin = false\n{text}")).unwrap()
}

/// What is wrong with one rule with these keys, without place and name.
fn problem(keys: &str) -> String {
    let problems = parse(&format!("builtin = false\n[[rule]]\nname = \"R\"\n{keys}")).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].split_once(": R: ").map_or(problems[0].clone(), |(_, message)| message.into())
}

#[test]
fn a_full_rule_is_read() {
    let text = r#"
        [[rule]]
        name = "Slow"
        signal = "block_request_p99_seconds"
        match = { device = ["nvme*", "sda"], operation = "!flush" }
        above = "20ms"
        clear = "10ms"
        and = [{ signal = "block_requests_per_second", above = 5 }]
        for = "5m"
        keep_firing_for = "1m30s"
        resolve_absent_after = "1h"
        severity = "critical"
        silenced = true
        labels = { team = "storage" }
        annotations = { summary = "{{ labels.device }} {{ labels.team }}" }
    "#;
    let rule = rules(text).remove(0);
    assert_eq!(
        rule.conditions(),
        "block_request_p99_seconds{device=\"nvme*|sda\", operation!=\"flush\"} above 20.0ms, clears at 10.0ms and \
         block_requests_per_second above 5/s"
    );
    let times = (rule.for_ns, rule.keep_firing_ns, rule.resolve_absent_ns);
    assert_eq!(times, (300_000_000_000, 90_000_000_000, Some(3_600_000_000_000)));
    assert_eq!((rule.severity, rule.standing()), (Severity::Critical, "silenced"));
    assert_eq!(
        (&*rule.labels["team"], rule.annotations["summary"].text()),
        ("storage", "{{ labels.device }} {{ labels.team }}")
    );
    assert_eq!(rule.whence.to_string(), "f:3");
}

#[test]
fn what_a_rule_does_not_say_has_a_default() {
    let rule = rules("[[rule]]\nname = \"R\"\nsignal = \"memory_available_share\"\nbelow = 0.1").remove(0);
    assert_eq!((rule.condition.compare, rule.condition.threshold, rule.condition.clear), (Compare::Below, 0.1, 0.1));
    assert_eq!((rule.for_ns, rule.keep_firing_ns, rule.resolve_absent_ns), (0, 0, None));
    assert_eq!((rule.severity, rule.standing()), (Severity::Warning, "on"));
}

#[test]
fn a_rule_with_the_name_of_a_built_in_one_changes_only_what_it_says() {
    let base = builtin();
    let changed = parse(
        "[[rule]]\nname = \"PerformanceIndexHigh\"\nabove = 3\nlabels = { team = \"a\" }\nannotations.summary = \"{{ value }}\"\n",
    )
    .unwrap();
    assert_eq!(changed.len(), base.len());
    assert_eq!(changed[1..], base[1..]);
    let (base, changed) = (&base[0], &changed[0]);
    assert_eq!((changed.condition.threshold, changed.condition.clear), (3.0, base.condition.clear));
    assert_eq!(changed.annotations["description"], base.annotations["description"]);
    assert_eq!(changed.annotations["summary"].text(), "{{ value }}");
    assert_eq!((&changed.and, changed.for_ns, changed.severity), (&base.and, base.for_ns, base.severity));
    assert_eq!(changed.whence.to_string(), "built-in, changed at f:1");
}

#[test]
fn a_built_in_rule_can_be_turned_off_silenced_and_turned_round() {
    let standing =
        |keys: &str| parse(&format!("[[rule]]\nname = \"PerformanceIndexHigh\"\n{keys}")).unwrap()[0].standing();
    assert_eq!(standing("enabled = false"), "off");
    assert_eq!(standing("silenced = true"), "silenced");
    let rules = parse("[[rule]]\nname = \"OomKill\"\nbelow = 5\n").unwrap();
    let rule = rules.iter().find(|rule| rule.name == "OomKill").unwrap();
    assert_eq!((rule.condition.compare, rule.condition.threshold), (Compare::Below, 5.0));
}

#[test]
fn what_an_override_makes_wrong_of_a_built_in_rule_is_wrong_where_the_override_is() {
    let problems = parse("\n[[rule]]\nname = \"PerformanceIndexHigh\"\nabove = 1.2\n").unwrap_err();
    assert_eq!(
        problems,
        ["f:2:1: PerformanceIndexHigh: clear: 1.50 is on the wrong side: an alert above 1.20 is over at or below it"]
    );
}

#[test]
fn everything_wrong_with_a_file_is_said_at_once_with_its_place() {
    let text = "colour = 1\n[[rule]]\nname = \"A\"\nsignal = \"cpu_utilisation\"\nabove = \"95%\"\nfoo = 1\n\n[[rule]]\nname = \"A\"\n\
                signal = \"cpu_utilization\"\nabove = 95\nfor = \"-5s\"\nseverity = \"bad\"\n[[rule]]\nsignal = \"load_per_cpu\"\n\
                [[rule]]\nname = \"\"\n";
    assert_eq!(
        parse(text).unwrap_err(),
        [
            "f:1:1: unknown key \"colour\": a file has [[rule]] and builtin",
            "f:4:10: A: there is no signal \"cpu_utilisation\": did you mean \"cpu_utilization\"?",
            "f:6:1: A: unknown key \"foo\": did you mean \"for\"?",
            "f:8:1: A: another rule above has this name: choose another",
            "f:11:9: A: above: cpu_utilization is never above 95: its values are from 0 to 1; for 95 % write \"95%\"",
            "f:12:7: A: for: expected a duration such as \"5m\"; found \"-5s\": it must be whole numbers with units",
            "f:13:12: A: severity: expected \"info\", \"warning\" or \"critical\"; found \"bad\"",
            "f:14:1: a rule has no name: add name = \"...\"",
            "f:17:8: name: expected 1 to 100 letters, digits, _ - . or :; found \"\"",
        ]
    );
}

#[test]
fn each_mistake_has_its_own_words() {
    let cpu = "signal = \"cpu_utilization\"\n";
    let block = "signal = \"block_request_p99_seconds\"\nabove = \"1s\"\n";
    for (keys, expected) in [
        ("above = 1", "signal is missing: name one of those that `kpulse rules signals` lists"),
        ("signal = 3\nabove = 1", "signal: expected a string: the name of a signal; found 3"),
        (cpu, "the threshold is missing: add above = ... or below = ..."),
        (
            &format!("{cpu}above = 0.5\nbelow = 0.1"),
            "above and below are both given: a condition has one of them; more go into `and`",
        ),
        (
            &format!("{cpu}above = nan"),
            "above: expected a threshold: a finite number, or a string with a unit; found nan",
        ),
        (&format!("{cpu}above = 1.0"), "above: cpu_utilization is never above 1: its values are from 0 to 1"),
        (&format!("{cpu}below = 0"), "below: cpu_utilization is never below 0: its values are from 0 to 1"),
        (
            &format!("{cpu}above = \"95\""),
            "above: expected a share such as \"95%\", or a number from 0 to 1; found \"95\": it does not end in %",
        ),
        (
            &format!("{cpu}above = 0.5\nclear = 0.6"),
            "clear: 60.0% is on the wrong side: an alert above 50.0% is over at or below it",
        ),
        (
            &format!("{cpu}below = 0.5\nclear = 0.4"),
            "clear: 40.0% is on the wrong side: an alert below 50.0% is over at or above it",
        ),
        (&format!("{cpu}above = 0.5\nclear = -0.1"), "clear: -0.1 is never reached by cpu_utilization"),
        (&format!("{cpu}above = 0.5\nfor = 5"), "for: expected a duration such as \"5m\"; found 5"),
        (
            &format!("{cpu}above = 0.5\nresolve_absent_after = true"),
            "resolve_absent_after: expected a duration such as \"1h\", or \"off\"; found true",
        ),
        (&format!("{cpu}above = 0.5\nenabled = \"no\""), "enabled: expected true or false; found \"no\""),
        (
            &format!("{cpu}above = 0.5\nmatch = {{ cpu = \"0\" }}"),
            "match: cpu_utilization has no label \"cpu\": its labels are none",
        ),
        (
            &format!("{block}match = {{ operation = \"reed\" }}"),
            "match: operation=\"reed\" fits nothing: operation is one of read, write, flush, discard, passthrough",
        ),
        (
            &format!("{block}match = {{ device = [\"!sda\"] }}\nfor = \"1s\"\nlabels = {{ device = \"x\" }}"),
            "labels: device is set by kpulse itself: choose another name",
        ),
        (
            &format!("{block}match = {{ device = [\"a\", \"!b\"] }}"),
            "match: ! cannot stand in an array: it turns one pattern round",
        ),
        (
            &format!("{block}match = {{ device = 3 }}"),
            "match: \"device\": expected a pattern such as \"sd*\", or an array of them; found 3",
        ),
        (
            &format!("{block}labels = {{ alertname = \"x\" }}"),
            "labels: alertname is set by kpulse itself: choose another name",
        ),
        (
            &format!("{block}labels = {{ \"a-b\" = \"x\" }}"),
            "labels: \"a-b\" is no name for a label: use letters, digits and _, no digit first",
        ),
        (
            &format!("{block}labels = {{ a = \"{{{{ value }}}}\" }}"),
            "labels: a: labels are an alert's identity and take no values: use an annotation",
        ),
        (&format!("{block}labels = {{ a = \"\" }}"), "labels: expected a string: the text of \"a\"; found \"\""),
        (
            &format!("{block}annotations = {{ stale = \"x\" }}"),
            "annotations: stale is set by kpulse itself: choose another name",
        ),
        (
            &format!("{block}annotations = {{ summary = \"{{{{ labels.cpu }}}}\" }}"),
            "annotations: summary: \"labels.cpu\" is no name for a template: did you mean \"labels.class\" or \"labels.node\"?",
        ),
        (
            &format!("{block}and = [{{ signal = \"x\", above = 1 }}]"),
            "and: there is no signal \"x\": `kpulse rules signals` lists them all",
        ),
        (&format!("{block}and = [{{ signal = \"events\", above = 1, fro = 1 }}]"), "and: unknown key \"fro\""),
        (
            &format!("{block}and = {{ signal = \"events\", above = 1 }}"),
            "and: expected an array of conditions such as [{ signal = \"cpu_utilization\", above = \"90%\" }]; found a table",
        ),
    ] {
        assert_eq!(problem(keys), expected, "{keys}");
    }
}

#[test]
fn broken_toml_is_named_with_its_line() {
    assert_eq!(parse("[[rule]\nname = 3").unwrap_err()[0].split(": ").next(), Some("f:1:8"));
    assert_eq!(
        parse("[rule]\nname = \"R\"").unwrap_err(),
        ["f:1:2: rule: write [[rule]] above each rule, with two brackets"]
    );
    assert!(load(Some(Path::new("/nonexistent/rules.toml"))).unwrap_err().to_string().contains("no such file"));
}

#[test]
fn the_built_in_rules_are_right() {
    let rules = builtin();
    assert_eq!(rules.len(), builtin_drafts(Set::Node).len());
    for rule in &rules {
        for annotation in ["summary", "description"] {
            assert!(rule.annotations.contains_key(annotation), "{}: no {annotation}", rule.name);
        }
        assert!(rule.why.ends_with('.') && !rule.why.contains('|'), "{}: say why", rule.name);
        let latency = rule.condition.clear == rule.condition.threshold;
        assert!(
            !latency || rule.condition.threshold == 0.0,
            "{}: a threshold that is not zero needs a clear",
            rule.name
        );
        if rule.severity == Severity::Critical && rule.enabled {
            assert!(rule.for_ns >= 30_000_000_000, "{}: a page needs to last", rule.name);
        }
    }
    assert_eq!(parse("").unwrap(), rules);
    assert_eq!(parse("builtin = false").unwrap(), []);
}

proptest! {
    #[test]
    fn no_file_panics(text in ".*") {
        let _ = parse(&text);
        let _ = parse(&format!("[[rule]]\nname = \"R\"\n{text}"));
    }

    #[test]
    fn a_threshold_and_its_clear_are_taken_or_refused_for_every_signal(at in 0..signals().count(), t in -2.0..200.0f64, c in -2.0..200.0f64) {
        let signal = signals().nth(at).unwrap();
        let text = |key| format!("builtin = false\n[[rule]]\nname = \"R\"\nsignal = \"{}\"\n{key} = {t:?}\nclear = {c:?}\n", signal.name);
        let most = signal.unit.most().unwrap_or(f64::MAX);
        prop_assert_eq!(parse(&text("above")).is_ok(), (0.0..most).contains(&t) && (0.0..=t).contains(&c));
        prop_assert_eq!(parse(&text("below")).is_ok(), t > 0.0 && t <= most && (t..=most).contains(&c));
    }
}
