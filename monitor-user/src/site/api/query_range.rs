//! `/api/v1/query_range`: a figure over time, in the form that Prometheus answers in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{answers::Refusal, paths::QUERY_RANGE};
use crate::{
    index::{Mode, Signal},
    report::{merge, wire::Report},
    site::{
        metrics::{OF_FLEET, OF_NODE, OfFleet, OfNode},
        params::{Params, Problem},
        source::{Source, Span},
    },
};

const SECOND: u64 = 1_000_000_000;
/// The most values in a series.
pub const MOST_STEPS: u64 = 2000;
/// Values in a series, unless somebody asks for another step.
const STEPS: u64 = 100;
/// The longest time between two values, in nanoseconds: 30 days.
const LONGEST_STEP: u64 = 30 * 24 * 3600 * SECOND;

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RangeAnswer")]
pub struct Answer {
    /// `success`
    pub status: String,
    /// What was found.
    pub data: Matrix,
}

/// Series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Matrix {
    /// `matrix`
    pub result_type: String,
    /// Each series.
    pub result: Vec<Series>,
}

/// One series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Its labels, `__name__` among them.
    pub metric: BTreeMap<String, String>,
    /// The end of each step in seconds since 1970, and the value as text. A step without one is left out.
    pub values: Vec<(f64, String)>,
}

/// A question, understood.
#[derive(Debug)]
pub struct Question {
    what: What,
    span: Span,
}

enum What {
    Node { metric: &'static OfNode, node: String },
    Fleet { metric: &'static OfFleet, signal: Signal, mode: Option<Mode> },
}

impl std::fmt::Debug for What {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Node { metric, node } => write!(f, "{} of {node:?}", metric.name),
            Self::Fleet { metric, signal, mode } => write!(f, "{} {signal:?} {mode:?}", metric.name),
        }
    }
}

/// Reads a question and answers it.
///
/// # Errors
///
/// As [`question`] and [`answer`].
pub fn ask(source: &dyn Source, query: &str) -> Result<Answer, Refusal> {
    answer(source, &question(query, source.now_ns())?)
}

/// Reads a question.
///
/// # Errors
///
/// If it is wrong.
pub fn question(query: &str, now_ns: u64) -> Result<Question, Problem> {
    let params = Params::parse(query, &QUERY_RANGE.known())?;
    let to_ns = params.moment("to", now_ns)?.unwrap_or(now_ns);
    let from_ns = params.moment("from", now_ns)?.unwrap_or(to_ns.saturating_sub(3600 * SECOND));
    if from_ns >= to_ns {
        return Err(Problem::of("from", "it is not before the end", "a moment before to"));
    }
    let length = to_ns - from_ns;
    let step = params.length("step", SECOND..=LONGEST_STEP)?;
    let step_ns = step.unwrap_or((length / STEPS / SECOND * SECOND).clamp(10 * SECOND, LONGEST_STEP));
    let span = Span { from_ns, to_ns, step_ns };
    if span.steps() > MOST_STEPS {
        let why = format!("it makes {} values, more than {MOST_STEPS}", span.steps());
        return Err(Problem::of("step", why, "a longer step, or a shorter time"));
    }
    Ok(Question { what: what(&params)?, span })
}

fn what(params: &Params) -> Result<What, Problem> {
    let fleet = OF_FLEET.iter().map(|metric| (metric.name, (Some(metric), None)));
    let node = OF_NODE.iter().map(|metric| (metric.name, (None, Some(metric))));
    match params.choice("metric", fleet.chain(node))? {
        Some((Some(metric), _)) => {
            if params.text("node").is_some() {
                return Err(Problem::of("node", "this figure is the fleet's", "no node"));
            }
            let signal = params.choice("signal", Signal::ALL.iter().map(|&it| (it.name(), it)))?;
            let mode = params.choice("mode", Mode::ALL.iter().map(|&it| (it.name(), it)))?;
            Ok(What::Fleet { metric, signal: signal.unwrap_or(Signal::Block), mode })
        }
        Some((_, Some(metric))) => {
            let node = params.text("node").ok_or_else(|| Problem::of("node", "it is missing", "the name of a node"))?;
            if params.text("signal").or(params.text("mode")).is_some() {
                return Err(Problem::of("signal", "this figure is a node's", "neither signal nor mode"));
            }
            Ok(What::Node { metric, node: node.into() })
        }
        _ => Err(Problem::of("metric", "it is missing", "the name of a figure; /api/v1/openapi.json lists them")),
    }
}

/// Answers it.
///
/// # Errors
///
/// If there is no such node, or the past cannot be read.
pub fn answer(source: &dyn Source, question: &Question) -> Result<Answer, Refusal> {
    let span = question.span;
    let series = match &question.what {
        What::Fleet { metric, signal, mode } => {
            let points = source.index_series(*signal, *mode, span)?;
            let values = points.iter().map(|point| value(point.at_ns, (metric.collect)(point))).collect();
            let mode = mode.map_or("in-force", |mode| mode.name());
            let labels = [("__name__", metric.name), ("signal", signal.name()), ("mode", mode)];
            let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
            vec![Series { metric: labels.into(), values }]
        }
        What::Node { metric, node } => {
            let reports = source.reports(node, span)?;
            if reports.is_empty() && source.node(node).is_none() {
                return Err(Refusal::Nothing(Problem::of(
                    "node",
                    "no node has this name",
                    "the name of a node that has reported",
                )));
            }
            of_node(metric, node, &steps(reports, &span))
        }
    };
    Ok(Answer { status: "success".into(), data: Matrix { result_type: "matrix".into(), result: series } })
}

/// The reports of each step added up, with the step's end.
fn steps(reports: Vec<Report>, span: &Span) -> Vec<(u64, Report)> {
    let mut out: Vec<(u64, Report)> = Vec::new();
    for report in reports {
        let Some(step) = span.step_of(report.end_ns) else { continue };
        let end = span.end_of(step);
        match out.last_mut() {
            Some((at, sum)) if *at == end => merge::add(sum, &report),
            _ => out.push((end, report)),
        }
    }
    out
}

fn of_node(metric: &OfNode, node: &str, steps: &[(u64, Report)]) -> Vec<Series> {
    let mut series: BTreeMap<Vec<String>, Vec<(f64, String)>> = BTreeMap::new();
    for (at, report) in steps {
        for (labels, x) in (metric.collect)(report) {
            series.entry(labels).or_default().push(value(*at, x));
        }
    }
    let labels = |values: Vec<String>| {
        let own = metric.labels.iter().map(|name| (*name).to_owned()).zip(values);
        let fixed = [("__name__".to_owned(), metric.name.to_owned()), ("node".to_owned(), node.to_owned())];
        own.chain(fixed).collect()
    };
    series.into_iter().map(|(values, points)| Series { metric: labels(values), values: points }).collect()
}

fn value(at_ns: u64, value: f64) -> (f64, String) {
    (at_ns as f64 / 1e9, value.to_string())
}
