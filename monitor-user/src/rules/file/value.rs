//! Values of a rule file, each by its type: what was expected and what was found.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::draft::Spot;
use crate::{
    alert::Severity,
    config::{
        duration,
        problem::{did_you_mean, nearest, quoted},
    },
    rules::signal::Unit,
};

/// A threshold as it is written. What it means is known with the signal's unit.
#[derive(Clone, Debug)]
pub(super) enum Number {
    Plain(f64),
    Text(String),
}

impl Number {
    /// In the unit of a signal.
    pub fn value(&self, unit: Unit) -> Result<f64, String> {
        match self {
            Self::Plain(number) => Ok(*number),
            Self::Text(text) => unit.parse(text).map_err(|reason| {
                let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
                format!("expected {}; found {}{reason}", unit.expects(), quoted(text))
            }),
        }
    }
}

/// What a value is not.
pub(super) fn expected(what: &str, found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.as_str().into(),
        DeValue::Float(number) => number.as_str().into(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date or a time".into(),
        DeValue::Array(_) => "an array".into(),
        DeValue::Table(_) => "a table".into(),
    };
    format!("expected {what}; found {found}")
}

pub(super) fn text(value: &DeValue<'_>, what: &str) -> Result<String, String> {
    match value {
        DeValue::String(text) if !text.is_empty() => Ok(text.to_string()),
        _ => Err(expected(&format!("a string: {what}"), value)),
    }
}

/// A name that is safe in an address, a file and a label.
pub(super) fn rule_name(value: &DeValue<'_>) -> Result<String, String> {
    let good = |text: &str| {
        (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b))
    };
    match value {
        DeValue::String(text) if good(text) => Ok(text.to_string()),
        _ => Err(expected("1 to 100 letters, digits, _ - . or :", value)),
    }
}

/// A string, or an array of them.
pub(super) fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let wrong = || expected("a pattern such as \"sd*\", or an array of them", value);
    match value {
        DeValue::String(text) => Ok(vec![text.to_string()]),
        DeValue::Array(items) if items.iter().next().is_some() => {
            items.iter().map(|item| item.get_ref().as_str().map(str::to_string).ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}

pub(super) fn table<'a, 'b>(value: &'a DeValue<'b>, what: &str) -> Result<&'a DeTable<'b>, String> {
    value.as_table().ok_or_else(|| expected(what, value))
}

pub(super) fn number(value: &DeValue<'_>) -> Result<Number, String> {
    let number = match value {
        DeValue::String(text) => return Ok(Number::Text(text.to_string())),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number as f64)
        }
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    };
    let finite = number.filter(|number: &f64| number.is_finite());
    finite.map(Number::Plain).ok_or_else(|| expected("a threshold: a finite number, or a string with a unit", value))
}

pub(super) fn switch(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

/// In nanoseconds.
pub(super) fn duration(value: &DeValue<'_>) -> Result<u64, String> {
    const EXPECTED: &str = "a duration such as \"5m\"";
    let DeValue::String(text) = value else { return Err(expected(EXPECTED, value)) };
    // The parser bounds it to 64 bits of nanoseconds.
    let duration = duration::parse(text).map_err(|reason| format!("{}: {reason}", expected(EXPECTED, value)))?;
    Ok(duration.as_nanos() as u64)
}

pub(super) fn duration_or_off(value: &DeValue<'_>) -> Result<Option<u64>, String> {
    match value {
        DeValue::String(text) if text == "off" => Ok(None),
        _ => duration(value)
            .map(Some)
            .map_err(|error| error.replacen("a duration such as \"5m\"", "a duration such as \"1h\", or \"off\"", 1)),
    }
}

pub(super) fn severity(value: &DeValue<'_>) -> Result<Severity, String> {
    let names = || Severity::ALL.iter().map(|severity| severity.name());
    let found = value.as_str().and_then(|text| Severity::ALL.iter().find(|severity| severity.name() == text));
    found.copied().ok_or_else(|| {
        let hint = did_you_mean(&nearest(value.as_str().unwrap_or_default(), names()));
        format!("{}{hint}", expected("\"info\", \"warning\" or \"critical\"", value))
    })
}

/// Names and texts.
pub(super) fn labels(value: &DeValue<'_>) -> Result<BTreeMap<String, Spot<String>>, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in table(value, "a table of names and strings")? {
        let what = format!("the text of {}", quoted(name.get_ref()));
        let text = text(value.get_ref(), &what)?;
        labels.insert(name.get_ref().to_string(), Spot { at: value.span().start, value: text });
    }
    Ok(labels)
}
