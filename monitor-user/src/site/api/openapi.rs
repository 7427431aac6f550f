//! The description of the API (OpenAPI 3.1), from the table of addresses and the types of their answers.

use schemars::{SchemaGenerator, generate::SchemaSettings, transform::Transform};
use serde_json::{Map, Value, json};

use super::paths::{PATHS, Path};
use crate::site::{
    metrics::{OF_FLEET, OF_NODE},
    params::Problem,
};

/// The whole description.
pub fn description() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .with_transform(Closed)
        .into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for path in PATHS {
        paths.insert(path.path.into(), json!({ "get": operation(path, &mut generator, &problem.clone().to_value()) }));
    }
    // The definitions are transformed as they are taken.
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "kpulse fleet server",
            "version": env!("CARGO_PKG_VERSION"),
            "description": about(),
        },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn operation(path: &Path, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let answer = (path.answer)(generator).to_value();
    let segment = path.segment.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" }, "description": "As a list names it" })
    });
    let parameters = path.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name, "in": "query", "required": parameter.required, "description": parameter.help,
            "schema": (parameter.schema)(),
        })
    });
    let json_of = |schema: &Value| json!({ "application/json": { "schema": schema } });
    let mut responses = json!({
        "200": { "description": path.summary, "content": json_of(&answer) },
        "400": { "description": "The question is wrong; says which parameter, and what was expected", "content": json_of(problem) },
        "503": { "description": "The database cannot be read now", "content": json_of(problem) },
    });
    if path.segment.is_some() || path.path.ends_with("query_range") {
        responses["404"] = json!({ "description": "There is no such thing", "content": json_of(problem) });
    }
    json!({
        "summary": path.summary,
        "operationId": path.path.trim_start_matches("/api/v1/").replace(['/', '{', '}'], "_").trim_matches('_'),
        "parameters": segment.into_iter().chain(parameters).collect::<Vec<_>>(),
        "responses": responses,
    })
}

fn about() -> String {
    let mut out = String::from(
        "Read-only. Times are in seconds, moments in nanoseconds since 1970 (names end in `_ns`), shares between 0 and 1. What is \
         not known is null. Lists are paged by `limit` and `offset`; `next` is the offset that goes on.\n\nFigures of the fleet \
         for `query_range`:\n\n",
    );
    for metric in OF_FLEET {
        out.push_str(&format!("- `{}`: {} (labels: signal, mode)\n", metric.name, metric.help));
    }
    out.push_str("\nFigures of a node:\n\n");
    for metric in OF_NODE {
        let labels = if metric.labels.is_empty() { String::new() } else { format!(", {}", metric.labels.join(", ")) };
        out.push_str(&format!("- `{}`: {} (labels: node{labels})\n", metric.name, metric.help));
    }
    out
}

/// What is described is all there is: an object has no other fields.
#[derive(Clone)]
struct Closed;

impl Transform for Closed {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema.insert("additionalProperties".into(), false.into());
        }
        schemars::transform::transform_subschemas(self, schema);
    }
}
