//! The description of the API, held against its answers.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{
    ask, json,
    story::{HOSTILE, SLOW},
};
use crate::{expose::page::markup::Link, site::description};

/// What the description says of an answer.
fn schema(path: &str, status: u16) -> Validator {
    let all = description();
    let schema = &all["paths"][path]["get"]["responses"][status.to_string()]["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{path} {status} is not described");
    // References are to the whole description.
    let mut whole =
        json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "components": all["components"] });
    whole["allOf"] = json!([schema]);
    jsonschema::validator_for(&whole).unwrap()
}

fn check(validator: &Validator, answer: &Value, what: &str) {
    let errors: Vec<String> =
        validator.iter_errors(answer).take(5).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

async fn an_alert() -> String {
    let alerts = json("/api/v1/alerts?rule=NodeOutlier").await;
    alerts["items"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_answer_is_as_it_is_described() {
    let id = an_alert().await;
    let range = "/api/v1/query_range";
    for (path, asked) in [
        ("/api/v1/nodes", "/api/v1/nodes?limit=1000".to_owned()),
        ("/api/v1/nodes", "/api/v1/nodes?state=firing&signal=run_queue&sort=wait&name=web&offset=0".into()),
        ("/api/v1/nodes/{name}", format!("/api/v1/nodes/{SLOW}")),
        ("/api/v1/nodes/{name}", "/api/v1/nodes/web-09".into()),
        ("/api/v1/nodes/{name}", format!("/api/v1/nodes/{}", Link(HOSTILE))),
        ("/api/v1/index", "/api/v1/index".into()),
        ("/api/v1/alerts", "/api/v1/alerts?state=resolved&severity=warning&limit=2".into()),
        ("/api/v1/alerts/{id}", format!("/api/v1/alerts/{id}")),
        (range, format!("{range}?metric=p&from=-30m&step=1m")),
        (range, format!("{range}?metric=request_p99_seconds&node={SLOW}&from=-30m&step=60")),
    ] {
        let answer = ask(&asked).await;
        assert_eq!(answer.status, 200, "{asked}: {}", answer.body);
        check(&schema(path, 200), &serde_json::from_str(&answer.body).unwrap(), &asked);
    }
    for (path, asked, status) in [
        ("/api/v1/nodes", "/api/v1/nodes?limit=0", 400),
        ("/api/v1/nodes", "/api/v1/nodes?limt=1", 400),
        ("/api/v1/nodes/{name}", "/api/v1/nodes/nobody", 404),
        ("/api/v1/alerts/{id}", "/api/v1/alerts/nothing", 404),
        (range, "/api/v1/query_range?metric=p&step=1s&from=-24h", 400),
        (range, "/api/v1/query_range?metric=load1&node=nobody", 404),
    ] {
        let answer = ask(asked).await;
        assert_eq!(answer.status.as_u16(), status, "{asked}: {}", answer.body);
        check(&schema(path, status), &serde_json::from_str(&answer.body).unwrap(), asked);
    }
}

#[tokio::test]
async fn what_is_not_described_is_no_answer() {
    let validator = schema("/api/v1/nodes/{name}", 200);
    let answer = json(&format!("/api/v1/nodes/{SLOW}")).await;
    for spoil in [
        |answer: &mut Value| answer["more"] = 1.into(),
        |answer: &mut Value| answer["window"]["more"] = 1.into(),
        |answer: &mut Value| drop(answer.as_object_mut().unwrap().remove("name")),
        |answer: &mut Value| answer["window"]["sched"]["cpus"][0]["utilization"] = "much".into(),
        |answer: &mut Value| answer["presence"] = "here".into(),
    ] {
        let mut spoilt = answer.clone();
        spoil(&mut spoilt);
        assert!(!validator.is_valid(&spoilt), "{spoilt}");
    }
}

#[tokio::test]
async fn every_parameter_that_is_described_is_taken_and_no_other() {
    let all = description();
    for (path, what) in all["paths"].as_object().unwrap() {
        let parameters = what["get"]["parameters"].as_array().unwrap();
        let segments = path.matches('{').count();
        assert_eq!(parameters.iter().filter(|it| it["in"] == "path").count(), segments, "{path}");
        let base = path.replace("{name}", SLOW).replace("{id}", &an_alert().await);
        let base = if path.ends_with("query_range") { format!("{base}?metric=p&") } else { format!("{base}?") };
        for parameter in parameters.iter().filter(|it| it["in"] == "query") {
            let name = parameter["name"].as_str().unwrap();
            let schema = &parameter["schema"];
            let values: Vec<String> = match (&schema["enum"], name) {
                (Value::Array(values), _) => values.iter().map(|value| value.as_str().unwrap().to_owned()).collect(),
                (_, "from") => vec!["-10m".into()],
                (_, "to") => vec!["now".into()],
                (_, "after") => vec!["7-00c0ffee".into()],
                (_, "step") => vec!["60".into(), "2m".into()],
                _ => vec!["3".into()],
            };
            for value in values {
                // The figure and its node are asked for together, elsewhere.
                let asked = match (path.ends_with("query_range"), name) {
                    (true, "metric" | "node") => continue,
                    _ => format!("{base}{name}={value}"),
                };
                assert_eq!(ask(&asked).await.status, 200, "{asked}");
            }
            let more = format!("{base}{name}=1&{name}=1");
            assert_eq!(ask(&more).await.status, 400, "{more}");
        }
        let more = format!("{base}no_such_parameter=1");
        assert_eq!(ask(&more).await.status, 400, "{more}");
    }
}

#[tokio::test]
async fn the_description_is_served_and_lists_every_figure() {
    let served = json("/api/v1/openapi.json").await;
    assert_eq!(served, description());
    let metrics = &served["paths"]["/api/v1/query_range"]["get"]["parameters"][0]["schema"]["enum"];
    assert!(metrics.as_array().unwrap().len() > 20);
}

#[tokio::test]
async fn a_figure_over_time_is_that_of_the_reports() {
    let answer = json(&format!("/api/v1/query_range?metric=cpu_utilization&node={SLOW}&from=-10m&step=2m")).await;
    let series = answer["data"]["result"].as_array().unwrap();
    assert_eq!((series.len(), &series[0]["metric"]), (1, &json!({ "__name__": "cpu_utilization", "node": SLOW })));
    let values = series[0]["values"].as_array().unwrap();
    assert_eq!(values.len(), 5);
    let now = super::Story::new(7);
    let now = super::super::Source::now_ns(&now) as f64 / 1e9;
    assert_eq!(values[4][0].as_f64(), Some(now));
    let value: f64 = values[4][1].as_str().unwrap().parse().unwrap();
    assert!((0.2..0.6).contains(&value), "{value}");
    let by_request =
        json(&format!("/api/v1/query_range?metric=request_p99_seconds&node={SLOW}&from=-10m&step=2m")).await;
    assert_eq!(by_request["data"]["result"].as_array().unwrap().len(), 4);
}
