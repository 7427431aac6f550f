//! Each address of the API with its parameters: what is described and what is parsed is one table.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::query_range::Answer;
use crate::{
    alert::{Alert, Severity, State},
    index::{Mode, Signal},
    site::{
        metrics::{OF_FLEET, OF_NODE},
        model::{Alerts, Fleet, Node, NodeDetail, Page, Presence},
        select::Order,
    },
};

/// One address.
pub struct Path {
    /// As OpenAPI writes it.
    pub path: &'static str,
    /// What it answers, in a line.
    pub summary: &'static str,
    /// What comes in the path, if something does.
    pub segment: Option<&'static str>,
    /// What comes after the question mark.
    pub parameters: &'static [Parameter],
    /// The answer's type.
    pub answer: fn(&mut SchemaGenerator) -> Schema,
}

/// One parameter.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// What it can be.
    pub schema: fn() -> Value,
    /// Whether there is no answer without it.
    pub required: bool,
}

/// The most entries in one answer.
pub const MOST: u64 = 1000;
/// Entries in one answer, unless somebody asks for another number.
pub const LIMIT: u64 = 100;

/// All addresses.
pub const PATHS: &[Path] = &[NODES, NODE, INDEX, ALERTS, ALERT, QUERY_RANGE];

/// The list of nodes.
pub const NODES: Path = Path {
    path: "/api/v1/nodes",
    summary: "Every node, the worst first",
    segment: None,
    parameters: &[
        optional("name", "Only nodes whose name contains this", text),
        optional("state", "Only nodes that are heard so, or about which an alert fires", || {
            names(Presence::ALL.iter().map(|presence| presence.name()).chain(["firing"]))
        }),
        optional("signal", "Whose r; the larger of both without it", || names(Signal::ALL.iter().map(|it| it.name()))),
        optional("sort", "In what order", || names(Order::ALL.iter().map(|order| order.0))),
        LIMITED,
        OFFSET,
    ],
    answer: |generator| generator.subschema_for::<Page<Node>>(),
};

/// One node.
pub const NODE: Path = Path {
    path: "/api/v1/nodes/{name}",
    summary: "One node, with its last minute",
    segment: Some("name"),
    parameters: &[],
    answer: |generator| generator.subschema_for::<NodeDetail>(),
};

/// P now.
pub const INDEX: Path = Path {
    path: "/api/v1/index",
    summary: "P of each signal in each mode, and the times of the whole fleet",
    segment: None,
    parameters: &[],
    answer: |generator| generator.subschema_for::<Fleet>(),
};

/// The list of alerts.
pub const ALERTS: Path = Path {
    path: "/api/v1/alerts",
    summary: "Alerts, the latest first, without their evidence",
    segment: None,
    parameters: &[
        optional("state", "Only in this state; active are those that are pending or fire", || {
            names(State::ALL.iter().map(|state| state.name()).chain(["active"]))
        }),
        optional("severity", "Only as bad as this, or worse", || names(Severity::ALL.iter().map(|it| it.name()))),
        optional("node", "Only about this node", text),
        optional("rule", "Only of this rule", text),
        LIMITED,
        optional("after", "Goes on where the answer before ended: its next", text),
    ],
    answer: |generator| generator.subschema_for::<Alerts>(),
};

/// One alert.
pub const ALERT: Path = Path {
    path: "/api/v1/alerts/{id}",
    summary: "One alert, with its evidence",
    segment: Some("id"),
    parameters: &[],
    answer: |generator| generator.subschema_for::<Alert>(),
};

/// Figures over time.
pub const QUERY_RANGE: Path = Path {
    path: "/api/v1/query_range",
    summary: "A figure over time: of a node from its stored reports, of the fleet from its stored indices",
    segment: None,
    parameters: &[
        Parameter {
            name: "metric",
            help: "Which figure",
            schema: || names(OF_FLEET.iter().map(|it| it.name).chain(OF_NODE.iter().map(|it| it.name))),
            required: true,
        },
        optional("node", "Of this node; needed for every figure that is not the fleet's", text),
        optional("signal", "Of this signal, for the fleet's figures; block without it", || {
            names(Signal::ALL.iter().map(|it| it.name()))
        }),
        optional("mode", "In this mode, for the fleet's figures; the one in force without it", || {
            names(Mode::ALL.iter().map(|it| it.name()))
        }),
        optional(
            "from",
            "From here: seconds since 1970, now, or a time ago such as -15m; an hour before its end without it",
            text,
        ),
        optional("to", "To here; now without it", text),
        optional("step", "A value for each so long time: 30s, or seconds; a hundredth of the time without it", text),
    ],
    answer: |generator| generator.subschema_for::<Answer>(),
};

const LIMITED: Parameter = optional(
    "limit",
    "At most so many entries",
    || json!({"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}),
);
const OFFSET: Parameter = optional(
    "offset",
    "So many entries are left out before",
    || json!({"type": "integer", "minimum": 0, "default": 0}),
);

const fn optional(name: &'static str, help: &'static str, schema: fn() -> Value) -> Parameter {
    Parameter { name, help, schema, required: false }
}

fn text() -> Value {
    json!({"type": "string"})
}

fn names(names: impl Iterator<Item = &'static str>) -> Value {
    json!({"type": "string", "enum": names.collect::<Vec<_>>()})
}

impl Path {
    /// The names of its parameters.
    pub fn known(&self) -> Vec<&'static str> {
        self.parameters.iter().map(|parameter| parameter.name).collect()
    }
}
