//! From a question to a page. As for the API, the routes only carry what is asked and answered.
//!
//! In: a [`Source`], what comes in the path, and the query. Out: HTML, or why there is none.

use super::{
    api::answers::{self, Refusal, find_alert, no_node},
    model::AlertLine,
    page::{self, range},
    params::Params,
    select::select,
    source::Source,
};
use crate::{alert::Alert, index::Signal, report, window};

/// `/`
///
/// # Errors
///
/// If the question is wrong.
pub fn fleet(source: &dyn Source, query: &str) -> Result<String, Refusal> {
    let params = Params::parse(query, page::NODE_PARAMS)?;
    let now_ns = source.now_ns();
    let span = range::of(&params, now_ns)?;
    let nodes = select(source.nodes(), &answers::selection(&params, page::NODE_LIMIT)?);
    let series = |&signal: &Signal| (signal, source.index_series(signal, None, span));
    Ok(page::fleet::page(&page::fleet::View {
        now_ns,
        fleet: source.fleet(),
        alerts: active(source),
        series: Signal::ALL.iter().map(series).collect(),
        span,
        nodes,
        params,
    }))
}

/// `/nodes/NAME`
///
/// # Errors
///
/// If the question is wrong, or there is no such node.
pub fn node(source: &dyn Source, name: &str, query: &str) -> Result<String, Refusal> {
    let params = Params::parse(query, page::node::PARAMS)?;
    let now_ns = source.now_ns();
    let span = range::of(&params, now_ns)?;
    let detail = source.node(name).ok_or_else(|| no_node(name))?;
    let reports = source.reports(name, span);
    let now = detail.window.as_ref().and_then(|window| Some((window.end_realtime_ns, window.tasks.clone()?)));
    let of = |report: &report::wire::Report| -> Option<(u64, window::Tasks)> {
        let tasks = report::view::window(report, &window::Options::default()).tasks?;
        Some((report.end_ns, tasks))
    };
    let tasks = now.or_else(|| reports.iter().flatten().rev().filter(|report| report.tasks.is_some()).find_map(of));
    let firing = firing(source);
    Ok(page::node::page(&page::node::View { now_ns, node: detail, firing, span, reports, tasks, params }))
}

/// `/alerts`
///
/// # Errors
///
/// If the question is wrong. That the past cannot be read is on the page.
pub fn alerts(source: &dyn Source, query: &str) -> Result<String, Refusal> {
    let params = Params::parse(query, page::alerts::PARAMS)?;
    let filter = answers::alert_filter(&params)?;
    let after = params.after("after")?;
    let past = source.alerts(&filter, after.as_ref(), page::alerts::LIMIT).map(answers::lines);
    Ok(page::alerts::page(&page::alerts::View { now_ns: source.now_ns(), active: active(source), past, params }))
}

/// `/alerts/ID`
///
/// # Errors
///
/// If there is no such alert, or the past cannot be read.
pub fn alert(source: &dyn Source, id: &str) -> Result<String, Refusal> {
    let alert = find_alert(source, id)?;
    Ok(page::alerts::alert(&alert, firing(source)))
}

/// The page that says why there is none.
pub fn sorry(refusal: &Refusal) -> String {
    let (title, problem) = match refusal {
        Refusal::Wrong(problem) => ("This is no question", problem),
        Refusal::Nothing(problem) => ("There is no such thing", problem),
        Refusal::Unreadable(problem) => ("There is no answer now", problem),
    };
    let expected = problem.expected.as_ref().map(|expected| format!(". Expected: {expected}."));
    page::sorry(title, &format!("{}{}", problem.error, expected.unwrap_or_default()))
}

/// Alerts that are pending or fire: the server's own, the worst first.
fn active(source: &dyn Source) -> Vec<AlertLine> {
    let mut lines: Vec<_> = source.active_alerts().iter().map(|alert| AlertLine::from(alert.as_ref())).collect();
    page::alerts::worst_first(&mut lines);
    lines
}

fn firing(source: &dyn Source) -> usize {
    page::node::firing(source.active_alerts().iter().map(AsRef::<Alert>::as_ref))
}
