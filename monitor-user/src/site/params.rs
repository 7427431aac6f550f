//! Query parameters: each is known, given once, and what it should be.
//!
//! In: the part of an address after the question mark. Out: values, or a [`Problem`] that says which parameter is wrong and
//! what was expected. Nothing is guessed: a misspelt name is refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{config::duration, store::After};

/// The most bytes of a query.
const LONGEST: usize = 4096;
const SECOND: u64 = 1_000_000_000;

/// What is wrong with a question. The answer to it as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// What is wrong, in a sentence.
    pub error: String,
    /// Which parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

impl Problem {
    /// Without a parameter that is to blame.
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), parameter: None, expected: None }
    }

    /// A parameter is wrong.
    pub fn of(parameter: &str, why: impl std::fmt::Display, expected: impl Into<String>) -> Self {
        Self {
            error: format!("the parameter {parameter} is wrong: {why}"),
            parameter: Some(parameter.into()),
            expected: Some(expected.into()),
        }
    }
}

/// The parameters of one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query, of which these are the parameters that there can be. An empty value is none: a form sends those
    /// fields that nobody has filled in, too.
    ///
    /// # Errors
    ///
    /// If it is too long, or has other parameters, or one of them twice.
    pub fn parse(query: &str, known: &[&str]) -> Result<Self, Problem> {
        if query.len() > LONGEST {
            return Err(Problem::new(format!("the query has {} bytes, more than {LONGEST}", query.len())));
        }
        let mut out: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(Problem::of(&shown(&name), "there is no such parameter", known.join(", ")));
            }
            if out.iter().any(|(given, _)| *given == name) {
                return Err(Problem::of(&name, "it is given twice", "it once"));
            }
            out.push((name.into_owned(), value.into_owned()));
        }
        out.retain(|(_, value)| !value.is_empty());
        Ok(Self(out))
    }

    /// The value as it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A whole number within bounds, or the default.
    ///
    /// # Errors
    ///
    /// If it is none, or outside them.
    pub fn number(&self, name: &str, default: u64, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, Problem> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| {
            let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
            Problem::of(name, format!("{:?} is no such number", shown(text)), expected)
        })
    }

    /// One of these names.
    ///
    /// # Errors
    ///
    /// If it is another.
    pub fn choice<T: Copy>(
        &self,
        name: &str,
        choices: impl IntoIterator<Item = (&'static str, T)>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let mut names = Vec::new();
        for (choice, value) in choices {
            if choice == text {
                return Ok(Some(value));
            }
            names.push(choice);
        }
        Err(Problem::of(name, format!("{:?} is none of them", shown(text)), format!("one of {}", names.join(", "))))
    }

    /// A moment, in nanoseconds since 1970: seconds since 1970, `now`, or so long ago as in `-15m`.
    ///
    /// # Errors
    ///
    /// If it is no moment.
    pub fn moment(&self, name: &str, now_ns: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = |why: String| Problem::of(name, why, "seconds since 1970, now, or a time ago such as -15m");
        if text == "now" {
            return Ok(Some(now_ns));
        }
        if let Some(ago) = text.strip_prefix('-') {
            let ago = duration::parse(ago).map_err(|why| wrong(format!("{:?} is no duration: {why}", shown(ago))))?;
            return Ok(Some(now_ns.saturating_sub(u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX))));
        }
        // Whole numbers exactly; a fraction as well as a float can.
        let whole = text.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(SECOND));
        let fraction = || text.parse::<f64>().ok().filter(|x| (0.0..1.8e10).contains(x)).map(|x| (x * 1e9) as u64);
        whole.or_else(fraction).map(Some).ok_or_else(|| wrong(format!("{:?} is no moment", shown(text))))
    }

    /// A length of time in nanoseconds, within bounds: `30s`, or whole seconds.
    ///
    /// # Errors
    ///
    /// If it is none, or outside them.
    pub fn length(&self, name: &str, bounds: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let say = |ns: &u64| duration::format(std::time::Duration::from_nanos(*ns));
        let expected = format!("a duration such as 30s, from {} to {}", say(bounds.start()), say(bounds.end()));
        let seconds = text.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(SECOND));
        let length = match seconds {
            Some(ns) => ns,
            None => duration::parse(text)
                .ok()
                .and_then(|length| u64::try_from(length.as_nanos()).ok())
                .ok_or_else(|| Problem::of(name, format!("{:?} is no duration", shown(text)), expected.clone()))?,
        };
        match bounds.contains(&length) {
            true => Ok(Some(length)),
            false => Err(Problem::of(name, format!("{:?} is outside", shown(text)), expected)),
        }
    }

    /// Where a list of alerts goes on, as [`written`] has it.
    ///
    /// # Errors
    ///
    /// If it is no such place.
    pub fn after(&self, name: &str) -> Result<Option<After>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let place = text.split_once('-').filter(|(_, id)| !id.is_empty() && id.len() <= 100);
        let place = place.and_then(|(begun, id)| Some(After { begun_ns: begun.parse().ok()?, id: id.into() }));
        let wrong =
            || Problem::of(name, format!("{:?} is no place in the list", shown(text)), "what an answer gave as next");
        place.map(Some).ok_or_else(wrong)
    }

    /// The same parameters with another value of one; none of it if `value` is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|(given, _)| given != name).cloned();
        let new = Some((name.to_owned(), value.to_owned())).filter(|_| !value.is_empty());
        Self(others.chain(new).collect())
    }

    /// As a query, ready for an address.
    pub fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// Each, as it was given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A place in a list of alerts as a parameter.
pub fn written(after: &After) -> String {
    format!("{}-{}", after.begun_ns, after.id)
}

/// The beginning of what somebody sent, fit for a message.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_795_392_000 * SECOND;

    fn one(value: &str) -> Params {
        Params(vec![("x".into(), value.into())])
    }

    #[test]
    fn what_is_not_known_or_given_twice_is_refused_by_name() {
        let refused = |query| Params::parse(query, &["limit", "name"]).unwrap_err();
        assert_eq!(refused("limt=3").expected.as_deref(), Some("limit, name"));
        assert_eq!(refused("limit=3&limit=4").parameter.as_deref(), Some("limit"));
        assert!(refused(&"a".repeat(5000)).error.contains("5000 bytes"));
        let params = Params::parse("name=a%20b%3Cscript%3E&limit=", &["limit", "name"]).unwrap();
        assert_eq!((params.text("name"), params.text("limit")), (Some("a b<script>"), None));
        assert_eq!(params.with("limit", "7").query(), "name=a+b%3Cscript%3E&limit=7");
    }

    #[test]
    fn moments_and_lengths_are_read_and_bounded() {
        let moment = |text| one(text).moment("x", NOW);
        assert_eq!(moment("now"), Ok(Some(NOW)));
        assert_eq!(moment("-15m"), Ok(Some(NOW - 900 * SECOND)));
        assert_eq!(moment("1795392000"), Ok(Some(NOW)));
        assert_eq!(moment("1795392000.5"), Ok(Some(NOW + SECOND / 2)));
        for wrong in ["", "yesterday", "-1", "1e300", "NaN", "-1d", "99999999999999999999"] {
            let said = one(wrong).moment("x", NOW);
            assert!(wrong.is_empty() || said.is_err(), "{wrong}: {said:?}");
        }
        let place = After { begun_ns: 7, id: "00c0-ffee".into() };
        assert_eq!(one(&written(&place)).after("x"), Ok(Some(place)));
        assert!(["7", "7-", "x-1", "-1-2"].iter().all(|wrong| one(wrong).after("x").is_err()));
        let length = |text| one(text).length("x", SECOND..=3600 * SECOND);
        assert_eq!((length("30s"), length("30")), (Ok(Some(30 * SECOND)), Ok(Some(30 * SECOND))));
        assert!(length("2h").unwrap_err().error.contains("outside") && length("soon").is_err() && length("0").is_err());
    }

    proptest! {
        #[test]
        fn no_query_panics(query in ".*", name in "x|y") {
            if let Ok(params) = Params::parse(&query, &["x", "y"]) {
                let _ = (params.number(&name, 1, 0..=9), params.moment(&name, NOW), params.length(&name, 1..=9));
                prop_assert!(Params::parse(&params.query(), &["x", "y"]) == Ok(params));
            }
        }

        #[test]
        fn no_value_panics(value in ".*|-?[0-9]{1,25}(\\.[0-9]*)?[a-z]*") {
            let params = one(&value);
            let _ = (params.number("x", 1, 0..=9), params.moment("x", NOW), params.length("x", 1..=9));
        }
    }
}
