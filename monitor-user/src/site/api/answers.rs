//! From a question to an answer, for all but [`super::query_range`].

use std::sync::Arc;

use super::paths::{ALERT, ALERTS, INDEX, LIMIT, MOST, NODE, NODES};
use crate::{
    alert::{Alert, Severity, State},
    index::Signal,
    site::{
        model::{AlertLine, Alerts, Fleet, Node, NodeDetail, Page, Presence},
        params::{Params, Problem, written},
        select::{Order, Selection, select},
        source::{AlertPage, Source, Unreadable},
    },
    store::AlertFilter,
};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The question is wrong: 400.
    Wrong(Problem),
    /// There is no such thing: 404.
    Nothing(Problem),
    /// The database cannot be read now: 503.
    Unreadable(Problem),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Wrong(problem)
    }
}

impl From<Unreadable> for Refusal {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(Problem::new(error.to_string()))
    }
}

/// Which nodes a question asks for; `limit` without one in it.
///
/// # Errors
///
/// If a parameter is wrong.
pub fn selection(params: &Params, limit: u64) -> Result<Selection, Problem> {
    let presences = Presence::ALL.iter().map(|&presence| (presence.name(), Some(presence)));
    let state = params.choice("state", presences.chain([("firing", None)]))?;
    let signals = Signal::ALL.iter().map(|&signal| (signal.name(), signal));
    let orders = Order::ALL.iter().map(|&(name, order, _)| (name, order));
    Ok(Selection {
        name: params.text("name").unwrap_or_default().to_lowercase(),
        presence: state.flatten(),
        firing: state == Some(None),
        signal: params.choice("signal", signals)?,
        order: params.choice("sort", orders)?.unwrap_or_default(),
        offset: params.number("offset", 0, 0..=u64::from(u32::MAX))?,
        limit: params.number("limit", limit, 1..=MOST)?,
    })
}

/// `/api/v1/nodes`
///
/// # Errors
///
/// If the question is wrong.
pub fn nodes(source: &dyn Source, query: &str) -> Result<Page<Node>, Refusal> {
    let params = Params::parse(query, &NODES.known())?;
    let asked = selection(&params, LIMIT)?;
    Ok(select(source.nodes(), &asked))
}

/// `/api/v1/nodes/NAME`
///
/// # Errors
///
/// If the question is wrong, or there is no such node.
pub fn node(source: &dyn Source, name: &str, query: &str) -> Result<NodeDetail, Refusal> {
    Params::parse(query, &NODE.known())?;
    source.node(name).ok_or_else(|| no_node(name))
}

/// That there is no node of this name.
pub fn no_node(name: &str) -> Refusal {
    Refusal::Nothing(Problem::new(format!("no node has the name {name:?}, or none has reported under it")))
}

/// `/api/v1/index`
///
/// # Errors
///
/// If the question is wrong.
pub fn index(source: &dyn Source, query: &str) -> Result<Fleet, Refusal> {
    Params::parse(query, &INDEX.known())?;
    Ok(source.fleet())
}

/// Which alerts a question asks for.
///
/// # Errors
///
/// If a parameter is wrong.
pub fn alert_filter(params: &Params) -> Result<AlertFilter, Problem> {
    let active: &[State] = &[State::Pending, State::Firing];
    let states = State::ALL.iter().map(|state| (state.name(), std::slice::from_ref(state)));
    let severities = Severity::ALL.iter().map(|&severity| (severity.name(), severity));
    Ok(AlertFilter {
        states: params.choice("state", states.chain([("active", active)]))?.unwrap_or_default().to_vec(),
        severity: params.choice("severity", severities)?,
        node: params.text("node").map(Into::into),
        rule: params.text("rule").map(Into::into),
        ..AlertFilter::default()
    })
}

/// `/api/v1/alerts`
///
/// # Errors
///
/// If the question is wrong, or the past cannot be read.
pub fn alerts(source: &dyn Source, query: &str) -> Result<Alerts, Refusal> {
    let params = Params::parse(query, &ALERTS.known())?;
    let filter = alert_filter(&params)?;
    let after = params.after("after")?;
    let limit = params.number("limit", LIMIT, 1..=MOST)?;
    Ok(lines(source.alerts(&filter, after.as_ref(), limit as usize)?))
}

/// `/api/v1/alerts/ID`
///
/// # Errors
///
/// If the question is wrong, there is no such alert, or the past cannot be read.
pub fn alert(source: &dyn Source, id: &str, query: &str) -> Result<Arc<Alert>, Refusal> {
    Params::parse(query, &ALERT.known())?;
    find_alert(source, id)
}

/// One alert, from memory or of the past.
///
/// # Errors
///
/// If there is no such alert, or the past cannot be read.
pub fn find_alert(source: &dyn Source, id: &str) -> Result<Arc<Alert>, Refusal> {
    let here = source.active_alerts().into_iter().find(|alert| alert.id == id);
    let alert = match here {
        Some(alert) => Some(alert),
        None => source.alert(id)?,
    };
    alert.ok_or_else(|| Refusal::Nothing(Problem::new("there is no such alert: /alerts lists those that are kept")))
}

/// Without the evidence.
pub fn lines(page: AlertPage) -> Alerts {
    let items = page.items.iter().map(|alert| AlertLine::from(alert.as_ref())).collect();
    Alerts { items, next: page.next.as_ref().map(written) }
}
