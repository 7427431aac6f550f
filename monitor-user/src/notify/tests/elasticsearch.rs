//! `_bulk` against a stub that implements its contract.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::{
    server::{Heard, Reply, status},
    *,
};

/// The documents of a data stream by id, and what is to be said of some ids the first time.
#[derive(Default)]
struct Stream {
    documents: BTreeMap<String, Value>,
    first: BTreeMap<&'static str, u16>,
    /// Ids by the order in which they were taken.
    order: Vec<String>,
}

/// What Elasticsearch does: the whole request is wrong, or each item has its own answer.
fn bulk(stream: &mut Stream, now: &Heard) -> Reply {
    let refuse = |why: &str| Reply { body: why.into(), ..status(400) };
    if !now.path.starts_with("/logs-kpulse.alerts-default/_bulk?") {
        return status(404);
    }
    if now.header("content-type") != "application/x-ndjson" {
        return status(406);
    }
    let Some(body) = now.body.strip_suffix('\n') else {
        return refuse("The bulk request must be terminated by a newline [\\n]");
    };
    let lines: Vec<Value> = body.split('\n').map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
    let mut items = Vec::new();
    for pair in lines.chunks(2) {
        let (Some(id), [_, document]) = (pair[0]["create"]["_id"].as_str(), pair) else {
            return refuse("only write ops with an op_type of create are allowed in data streams");
        };
        let complete = ["@timestamp", "data_stream", "ecs", "event", "host", "kpulse"];
        let code = match stream.first.iter().find(|(part, _)| id.contains(**part)) {
            Some((&part, &code)) => {
                stream.first.remove(part);
                code
            }
            None if complete.iter().any(|field| document[field].is_null()) => 400,
            None if stream.documents.contains_key(id) => 409,
            None => {
                stream.documents.insert(id.into(), document.clone());
                stream.order.push(id.into());
                201
            }
        };
        let error = json!({ "type": "some_exception", "reason": "because" });
        items.push(json!({ "create": if code < 300 { json!({ "status": code }) } else { json!({ "status": code, "error": error }) } }));
    }
    Reply { body: json!({ "errors": true, "items": items }).to_string(), ..status(200) }
}

async fn server(stream: &Arc<Mutex<Stream>>) -> Server {
    let stream = Arc::clone(stream);
    Server::start(move |now, _| bulk(&mut stream.lock().unwrap(), now)).await
}

fn to(server: &Server) -> Settings {
    Settings { elasticsearch: endpoints(&[server]), ..settings() }
}

#[test]
fn each_item_is_judged_by_itself() {
    on_one_thread(async {
        let folder = Folder::new();
        let first = BTreeMap::from([("-a-firing", 429), ("-b-firing", 500), ("-c-firing", 400), ("-d-firing", 409)]);
        let stream = Arc::new(Mutex::new(Stream { first, ..Stream::default() }));
        let server = server(&stream).await;
        let notifier = start(&to(&server), folder.path());
        let lives: Vec<Alert> = ["a", "b", "c", "d", "e"].into_iter().flat_map(life).collect();
        record(&notifier, &lives).await;
        delivered(&notifier, "elasticsearch").await;
        let fares = of(&notifier, "elasticsearch");
        assert_eq!((fares.delivered, fares.dropped["rejected"]), (9, 1));
        let stream = stream.lock().unwrap();
        // c was refused, d was there already, all else is there once.
        assert_eq!(stream.documents.len(), 8, "{:?}", stream.order);
        for id in ["a", "b", "e"] {
            let at =
                |state: &str| stream.order.iter().position(|found| found.contains(&format!("-{id}-{state}"))).unwrap();
            assert!(at("firing") < at("resolved"), "{:?}", stream.order);
        }
        let document = stream.documents.iter().find(|(id, _)| id.contains("-a-firing")).unwrap().1;
        assert_eq!(document["host"]["name"], "node-1");
    });
}

#[test]
fn a_document_sent_again_is_the_same_document() {
    on_one_thread(async {
        let folder = Folder::new();
        let stream = Arc::<Mutex<Stream>>::default();
        let lost = Arc::clone(&stream);
        // The first answer never comes, although the document was taken.
        let server = Server::start(move |now, before| Reply {
            after: if before.is_empty() { 2 * PACE.timeout } else { Duration::ZERO },
            ..bulk(&mut lost.lock().unwrap(), now)
        })
        .await;
        let notifier = start(&to(&server), folder.path());
        record(&notifier, &[alert("a", State::Firing, 2)]).await;
        delivered(&notifier, "elasticsearch").await;
        assert_eq!((server.heard().len(), stream.lock().unwrap().documents.len()), (2, 1));
        assert_eq!(of(&notifier, "elasticsearch").delivered, 1);
    });
}

#[test]
fn a_request_that_is_too_long_is_sent_in_parts() {
    on_one_thread(async {
        let folder = Folder::new();
        let stream = Arc::<Mutex<Stream>>::default();
        let short = Arc::clone(&stream);
        let server = Server::start(move |now, _| match now.body.lines().count() {
            0..=8 => bulk(&mut short.lock().unwrap(), now),
            _ => status(413),
        })
        .await;
        let notifier = start(&to(&server), folder.path());
        let many: Vec<Alert> = (0..20).map(|n| alert(&n.to_string(), State::Firing, 2)).collect();
        record(&notifier, &many).await;
        delivered(&notifier, "elasticsearch").await;
        assert_eq!(stream.lock().unwrap().documents.len(), 20);
        assert_eq!(of(&notifier, "elasticsearch").dropped["rejected"], 0);
    });
}

#[test]
fn an_answer_that_is_none_is_trouble_and_loses_nothing() {
    on_one_thread(async {
        let folder = Folder::new();
        let stream = Arc::<Mutex<Stream>>::default();
        let later = Arc::clone(&stream);
        let server = Server::start(move |now, before| match before.len() {
            0 => Reply { body: "<html>a proxy</html>".into(), ..status(200) },
            1 => Reply { body: "{\"errors\":false,\"items\":[]}".into(), ..status(200) },
            2 => status(503),
            _ => bulk(&mut later.lock().unwrap(), now),
        })
        .await;
        let notifier = start(&to(&server), folder.path());
        record(&notifier, &[alert("a", State::Firing, 2)]).await;
        delivered(&notifier, "elasticsearch").await;
        let fares = of(&notifier, "elasticsearch");
        assert_eq!((fares.delivered, fares.failed, stream.lock().unwrap().documents.len()), (1, 3, 1));
    });
}
