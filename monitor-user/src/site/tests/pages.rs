//! What the pages show, and what no page may hold.

use super::{
    ask,
    story::{HOSTILE, NOISY, SILENT, SLOW},
};
use crate::expose::page::markup::Link;

async fn page(path: &str) -> String {
    let answer = ask(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    answer.body
}

#[tokio::test]
async fn the_fleet_shows_what_fires_and_the_worst_node_first() {
    let html = page("/").await;
    for text in [
        "NodeOutlier",
        "NodeAgentDown",
        SLOW,
        SILENT,
        "40 nodes",
        "39 reporting",
        "Block requests, trailing",
        "1 to 40 of 40",
    ] {
        assert!(html.contains(text), "{text} is missing in {html}");
    }
    let row = |name: &str| {
        html.find(&format!("<th scope=row class=name><span class=\"dot reporting\" role=img aria-label=\"reporting\" title=\"reporting\"></span> <a href=\"/nodes/{name}\">")).unwrap()
    };
    assert!(row(SLOW) < row(NOISY) && row(NOISY) < row("web-01"));
    let html = page("/?name=db-&sort=name&state=reporting&signal=block&range=6h&limit=3").await;
    assert!(html.contains("1 to 3 of 8") && html.contains("the next ones"), "{html}");
    assert!(html.contains("href=\"/?name=db-&amp;sort=name&amp;state=reporting&amp;signal=block&amp;range=6h&amp;limit=3&amp;offset=3#nodes\""), "{html}");
}

#[tokio::test]
async fn a_node_shows_heat_maps_disks_tasks_and_events() {
    let html = page(&format!("/nodes/{SLOW}")).await;
    for text in [
        "id=\"waits-title\"",
        "id=\"requests-title\"",
        "id=\"cpus-title\"",
        "class=\"cell h8\"",
        "<h2 id=devices>",
        "sda",
        "restic",
        "slow request",
        "BlockReadsSlow",
        "href=\"https://db-03.example:9466/\"",
        "io",
        "/var/lib/data",
        "in numbers",
        "class=\"over p99\"",
    ] {
        assert!(html.contains(text), "{text} is missing in {html}");
    }
    assert!(html.len() < 400_000, "{}", html.len());
    let html = page(&format!("/nodes/{SILENT}?range=15m")).await;
    assert!(
        html.contains("No report comes from this node.") && html.contains("No report of this time is kept."),
        "{html}"
    );
}

#[tokio::test]
async fn an_alert_shows_its_evidence() {
    let html = page("/alerts").await;
    let (_, rest) = html.split_once("href=\"/alerts/").unwrap();
    let id = rest.split('"').next().unwrap();
    for text in ["cache-02", "resolved", "pending"] {
        assert!(html.contains(text), "{text} is missing in {html}");
    }
    let html = page(&format!("/alerts/{id}")).await;
    assert!(html.contains("All alerts") && html.contains("<h1>Node"), "{html}");
    let html = page("/alerts?rule=NodeOutlier&node=db-03").await;
    let (_, rest) = html.split_once("<h2 id=past>").unwrap();
    let (_, rest) = rest.split_once("href=\"/alerts/").unwrap();
    let html = page(&format!("/alerts/{}", rest.split('"').next().unwrap())).await;
    for text in ["When it fired", "sda read", "backup.service", "in the device", "P − 1"] {
        assert!(html.contains(text), "{text} is missing in {html}");
    }
}

#[tokio::test]
async fn names_from_outside_are_inert_and_the_policy_is_strict() {
    for path in [
        "/",
        "/alerts",
        &format!("/nodes/{}", Link(HOSTILE)),
        &format!("/nodes/{SLOW}"),
        "/?name=%22%3E%3Cscript%3E",
        "/nodes/%3Cscript%3E",
        "/?x=%3Cscript%3E",
    ] {
        let answer = ask(path).await;
        let html = answer.body;
        assert!(
            !html.contains("<script>")
                && !html.contains('\u{1b}')
                && !html.contains('\u{202e}')
                && !html.contains("\"><script"),
            "{path}: {html}"
        );
        assert_eq!(
            html.matches("<script").count(),
            html.matches("<script src=\"/static/live.js\" defer></script>").count(),
            "{path}"
        );
        for forbidden in [" style=", "<style", " onclick=", " onload=", "javascript:", "src=\"http", "src=//"] {
            assert!(!html.contains(forbidden), "{path}: {forbidden}");
        }
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe") && !policy.contains('*'),
            "{policy}"
        );
    }
    assert!(page("/").await.contains("&lt;script&gt;alert(1)&lt;/script&gt;\u{fffd}[31m\u{fffd}"));
}

#[tokio::test]
async fn every_page_has_what_a_reader_of_screens_needs() {
    for path in ["/", "/alerts", &format!("/nodes/{SLOW}"), "/nodes/nobody"] {
        let html = ask(path).await.body;
        for (text, n) in
            [("<h1>", 1), ("<main id=main", 1), ("<html lang=en>", 1), ("<title>kpulse", 0), ("class=skip", 1)]
        {
            assert!(html.matches(text).count() >= n && (n == 0 || html.matches(text).count() == n), "{path}: {text}");
        }
        assert_eq!(html.matches("role=img aria-labelledby").count(), html.matches("<desc").count(), "{path}");
        // Each field is inside its label.
        for field in ["<input type=search", "<select"] {
            for (at, _) in html.match_indices(field) {
                let label = html[..at].rfind("<label>").unwrap();
                assert!(!html[label..at].contains("</label>"), "{path}: {}", &html[at..at + 60]);
            }
        }
        // What is referred to is there, once.
        for word in ["aria-labelledby=", "aria-describedby="] {
            for (at, _) in html.match_indices(word) {
                let id = html[at + word.len()..].trim_start_matches('"').split(['"', ' ', '>']).next().unwrap();
                let n = html.matches(&format!("id=\"{id}\"")).count()
                    + html.matches(&format!("id={id}>")).count()
                    + html.matches(&format!("id={id} ")).count();
                assert_eq!(n, 1, "{path}: {id}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_wrong_or_not_there_is_said() {
    let wrong = ask("/?range=1y").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("15m, 1h, 6h"), "{}", wrong.body);
    assert_eq!(ask("/nodes/nobody").await.status, 404);
    assert_eq!(ask("/alerts/nothing").await.status, 404);
    let script = ask("/static/live.js").await;
    assert_eq!(script.headers["content-type"], "text/javascript; charset=utf-8");
}
