//! From a draft to a rule: whether its keys make sense, by themselves and together.

use std::collections::BTreeMap;

use super::draft::{Comparison, Draft, Problems, Spot};
use crate::{
    alert::Severity,
    config::problem::{did_you_mean, nearest, quoted},
    pattern::Patterns,
    rules::{
        matcher::Matcher,
        rule::{Compare, Condition, Rule, Whence},
        signal::{Signal, signals},
        template::Template,
    },
};

/// Labels that every alert has.
const RESERVED_LABELS: [&str; 3] = ["alertname", "severity", "node"];
/// Annotations that the engine writes.
const RESERVED_ANNOTATIONS: [&str; 2] = ["stale", "reason"];

/// Makes a rule of a draft, or says what is wrong with it.
pub(super) fn build(draft: &Draft, whence: Whence, problems: &mut Problems) -> Option<Rule> {
    let begun = problems.len();
    let mut say = |at: usize, message: String| problems.push((at, format!("{}: {message}", draft.name)));
    let condition = condition(&draft.condition, &mut |at, message| say(at, message));
    let and: Vec<Condition> = draft
        .and
        .iter()
        .flatten()
        .filter_map(|other| self::condition(other, &mut |at, message| say(at, format!("and: {message}"))))
        .collect();
    // Without a signal nobody knows what labels there are.
    let signal_labels = condition.as_ref().map_or(&[][..], |condition| condition.signal.labels());
    let labels = labels(&draft.labels, signal_labels, &mut say);
    let annotations = match &condition {
        Some(_) => annotations(draft, signal_labels, &labels, &mut say),
        None => BTreeMap::new(),
    };
    if problems.len() > begun {
        return None;
    }
    Some(Rule {
        name: draft.name.clone(),
        condition: condition?,
        and,
        for_ns: draft.for_ns.unwrap_or(0),
        keep_firing_ns: draft.keep_firing_ns.unwrap_or(0),
        resolve_absent_ns: draft.resolve_absent_ns.flatten(),
        severity: draft.severity.unwrap_or(Severity::Warning),
        labels,
        annotations,
        enabled: draft.enabled.unwrap_or(true),
        silenced: draft.silenced.unwrap_or(false),
        why: draft.why.clone().unwrap_or_default(),
        whence,
    })
}

type Say<'a> = dyn FnMut(usize, String) + 'a;

fn condition(draft: &Comparison, say: &mut Say<'_>) -> Option<Condition> {
    let mut comparisons = draft.comparisons();
    let comparison = comparisons.next();
    if comparison.is_none() && !draft.bad.contains("above") && !draft.bad.contains("below") {
        say(draft.at, "the threshold is missing: add above = ... or below = ...".into());
    }
    if let Some((_, second)) = comparisons.next() {
        say(second.at, "above and below are both given: a condition has one of them; more go into `and`".into());
    }
    let signal = match &draft.signal {
        Some(name) => Signal::find(&name.value).or_else(|| {
            say(name.at, unknown_signal(&name.value));
            None
        })?,
        None => {
            if !draft.bad.contains("signal") {
                say(draft.at, "signal is missing: name one of those that `kpulse rules signals` lists".into());
            }
            return None;
        }
    };
    let matchers = draft
        .matchers
        .iter()
        .filter_map(|(label, patterns)| {
            matcher(signal, label, &patterns.value)
                .map_err(|message| say(patterns.at, format!("match: {message}")))
                .ok()
        })
        .collect();
    let (compare, threshold) = comparison?;
    let key = compare.name();
    let value = threshold.value.value(signal.unit).and_then(|value| possible(signal, compare, value));
    let threshold_value = value.map_err(|message| say(threshold.at, format!("{key}: {message}"))).ok()?;
    let clear = match &draft.clear {
        None => threshold_value,
        Some(clear) => {
            let value =
                clear.value.value(signal.unit).and_then(|value| right_side(signal, compare, threshold_value, value));
            value.map_err(|message| say(clear.at, format!("clear: {message}"))).ok()?
        }
    };
    Some(Condition { signal, matchers, compare, threshold: threshold_value, clear })
}

fn unknown_signal(name: &str) -> String {
    let hint = match nearest(name, signals().map(|signal| signal.name)) {
        meant if meant.is_empty() => ": `kpulse rules signals` lists them all".into(),
        meant => did_you_mean(&meant),
    };
    format!("there is no signal {}{hint}", quoted(name))
}

/// A threshold that can be passed: values lie from 0 to the unit's most.
fn possible(signal: &Signal, compare: Compare, value: f64) -> Result<f64, String> {
    let (least, most) = (0.0, signal.unit.most().unwrap_or(f64::MAX));
    let passed = match compare {
        Compare::Above => (least..most).contains(&value),
        Compare::Below => value > least && value <= most,
    };
    if passed {
        return Ok(value);
    }
    let range = match signal.unit.most() {
        Some(most) => format!("from 0 to {most}"),
        None => "0 or more".into(),
    };
    let percent =
        if most == 1.0 && value > 1.0 { format!("; for {value} % write \"{value}%\"") } else { String::new() };
    Err(format!("{} is never {} {value}: its values are {range}{percent}", signal.name, compare.name()))
}

fn right_side(signal: &Signal, compare: Compare, threshold: f64, clear: f64) -> Result<f64, String> {
    let (right, side) = match compare {
        Compare::Above => (clear <= threshold, "at or below"),
        Compare::Below => (clear >= threshold, "at or above"),
    };
    // A clearing threshold that no value can reach would hold the alert for ever. `above` ends at it, so 0 is right.
    let reached = clear >= 0.0 && signal.unit.most().is_none_or(|most| clear <= most);
    let format = |value| signal.unit.format(value);
    match (right, reached) {
        (true, true) => Ok(clear),
        (false, _) => Err(format!(
            "{} is on the wrong side: an alert {} {} is over {side} it",
            format(clear),
            compare.name(),
            format(threshold)
        )),
        (true, false) => Err(format!("{clear} is never reached by {}", signal.name)),
    }
}

fn matcher(signal: &Signal, label: &str, patterns: &[String]) -> Result<Matcher, String> {
    let labels = signal.labels();
    if !labels.contains(&label) {
        let there = match labels {
            [] => "none".into(),
            labels => labels.join(", "),
        };
        return Err(format!("{} has no label {}: its labels are {there}", signal.name, quoted(label)));
    }
    let negated = patterns.len() == 1 && patterns[0].starts_with('!');
    if !negated && patterns.iter().any(|pattern| pattern.starts_with('!')) {
        return Err("! cannot stand in an array: it turns one pattern round".into());
    }
    let any = patterns.iter().map(|pattern| pattern.trim_start_matches('!').to_string()).collect();
    let matcher = Matcher { label: label.into(), values: Patterns { negated, any } };
    if let Some(known) = signal.take.domain().known(label)
        && !known.iter().any(|value| matcher.fits(value))
    {
        return Err(format!("{matcher} fits nothing: {label} is one of {}", known.join(", ")));
    }
    Ok(matcher)
}

fn labels(
    draft: &BTreeMap<String, Spot<String>>,
    signal_labels: &[&str],
    say: &mut Say<'_>,
) -> BTreeMap<String, String> {
    for (name, text) in draft {
        let at = text.at;
        if !is_label_name(name) {
            say(
                at,
                format!("labels: {} is no name for a label: use letters, digits and _, no digit first", quoted(name)),
            );
        } else if RESERVED_LABELS.contains(&name.as_str()) || signal_labels.contains(&name.as_str()) {
            say(at, format!("labels: {name} is set by kpulse itself: choose another name"));
        } else if text.value.contains("{{") {
            say(at, format!("labels: {name}: labels are an alert's identity and take no values: use an annotation"));
        }
    }
    draft.iter().map(|(name, text)| (name.clone(), text.value.clone())).collect()
}

fn annotations(
    draft: &Draft,
    signal_labels: &[&str],
    labels: &BTreeMap<String, String>,
    say: &mut Say<'_>,
) -> BTreeMap<String, Template> {
    let known: Vec<&str> = signal_labels.iter().copied().chain(labels.keys().map(String::as_str)).collect();
    let mut annotations = BTreeMap::new();
    for (name, text) in &draft.annotations {
        if !is_label_name(name) {
            say(
                text.at,
                format!("annotations: {} is no name: use letters, digits and _, no digit first", quoted(name)),
            );
        } else if RESERVED_ANNOTATIONS.contains(&name.as_str()) {
            say(text.at, format!("annotations: {name} is set by kpulse itself: choose another name"));
        }
        match Template::parse(&text.value, &known) {
            Ok(template) => _ = annotations.insert(name.clone(), template),
            Err(message) => say(text.at, format!("annotations: {name}: {message}")),
        }
    }
    annotations
}

/// As Prometheus has it; names that begin with two underscores are its own.
fn is_label_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty()
        && name.bytes().all(good)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("__")
}
