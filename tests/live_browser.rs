//! The fleet's pages in a real browser: Chromium shows them, and says what it thinks of them.
//!
//! The pages are the server's own; the fleet behind them does not exist, so that everything there is to see is seen. With
//! `UPDATE_DOCS=1` the pictures in `docs/images` are made anew.

use std::{fs, net::SocketAddr, path::Path, sync::Arc, thread};

use kpulse::site::{self, Source};
use serde_json::{Value, json};
use tests::{
    browser::Browser,
    many::{HOSTILE, SLOW, Story},
    skip, wait,
};

/// The most bytes of a picture in the repository.
const MOST: usize = 200 << 10;
/// WebDriver's numbers of keys.
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

/// Serves a fleet for as long as the test runs.
fn serve(story: Story) -> (SocketAddr, Arc<Story>) {
    let story = Arc::new(story);
    let routes = site::router(Arc::clone(&story) as Arc<dyn Source>);
    let (said, heard) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            said.send(listener.local_addr().expect("an address")).expect("the test listens");
            axum::serve(listener, routes).await.expect("a server");
        });
    });
    (heard.recv().expect("an address"), story)
}

/// The addresses of one of each page.
fn pages(story: &Story) -> Vec<String> {
    let alerts = story.active_alerts();
    let of =
        |rule: &str| alerts.iter().find(|alert| alert.rule == rule).map(|alert| alert.id.clone()).expect("an alert");
    vec![
        "/".into(),
        format!("/nodes/{SLOW}"),
        "/alerts".into(),
        format!("/alerts/{}", of("NodeOutlier")),
        "/nodes/web-09".into(),
        "/?range=7d&state=firing".into(),
        "/nodes/nobody".into(),
    ]
}

macro_rules! browser_or_skip {
    ($test:literal) => {
        if !tests::browser::TOOLS.iter().all(|tool| skip::has_tool(tool)) {
            return skip::missing($test, "chromium and chromedriver");
        }
    };
}

#[test]
fn every_page_renders_without_complaint_on_a_desk_and_on_a_telephone() {
    browser_or_skip!("every_page_renders_without_complaint_on_a_desk_and_on_a_telephone");
    let (address, story) = serve(Story::live(7));
    let browser = Browser::start();
    let (host, mut asked) = (format!("http://{address}/"), Vec::new());
    for (width, height, mobile, dark) in [(1280, 900, false, false), (360, 780, true, true)] {
        browser.size(width, height, mobile);
        browser.dark(dark);
        for page in pages(&story) {
            browser.go(&format!("http://{address}{page}"));
            let heading = browser.run("return document.querySelector('main h1')?.innerText");
            assert!(heading.as_str().is_some_and(|text| !text.is_empty()), "{page}: {heading}");
            let across = browser.run("return document.documentElement.scrollWidth");
            assert!(across.as_u64() <= Some(width.into()), "{page} is {across} pixels wide on a screen of {width}");
            // The style sheet has arrived and follows the colour scheme.
            let ground = browser.run("return getComputedStyle(document.body).backgroundColor");
            assert_eq!(ground, if dark { "rgb(20, 23, 26)" } else { "rgb(255, 255, 255)" }, "{page}");
            let console: Vec<String> = browser.console().into_iter().filter(|line| !expected(&page, line)).collect();
            assert!(console.is_empty(), "{page}: {console:#?}");
            asked.extend(browser.requests());
        }
    }
    let foreign: Vec<_> = asked.iter().filter(|url| !url.starts_with(&host) && !is_own(url)).collect();
    assert!(foreign.is_empty() && asked.len() > 20, "{foreign:#?}");
}

/// The browser itself says that an answer was 404, where 404 is the answer.
fn expected(page: &str, line: &str) -> bool {
    page == "/nodes/nobody" && line.contains("404")
}

/// What a browser asks of itself.
fn is_own(url: &str) -> bool {
    ["data:", "about:", "chrome:"].iter().any(|scheme| url.starts_with(scheme))
}

#[test]
fn a_node_has_heat_maps_that_are_seen_and_read() {
    browser_or_skip!("a_node_has_heat_maps_that_are_seen_and_read");
    let (address, _story) = serve(Story::live(7));
    let browser = Browser::start();
    browser.size(1280, 900, false);
    browser.go(&format!("http://{address}/nodes/{SLOW}"));
    let maps = browser.run(
        "return [...document.querySelectorAll('svg.area')].map(svg => ({ \
         title: document.getElementById(svg.getAttribute('aria-labelledby')).innerText, \
         text: document.getElementById(svg.getAttribute('aria-describedby')).textContent, \
         cells: svg.querySelectorAll('.cell').length, width: svg.getBoundingClientRect().width, \
         colours: new Set([...svg.querySelectorAll('.cell')].map(cell => getComputedStyle(cell).fillOpacity)).size }))",
    );
    let maps = maps.as_array().expect("a list");
    for (title, cells) in [("Waits for a CPU", 5), ("Block requests", 5), ("CPUs busy", 4), ("A request on average", 0)]
    {
        let map = maps.iter().find(|map| map["title"].as_str().is_some_and(|it| it.starts_with(title)));
        let map = map.unwrap_or_else(|| panic!("{title} is missing: {maps:#?}"));
        assert!(map["cells"].as_u64() >= Some(cells) && map["colours"].as_u64() >= Some(cells), "{map}");
        assert!(map["width"].as_f64() > Some(300.0) && map["text"].as_str().map(str::len) > Some(20), "{map}");
    }
    // Every picture, link and field has a name for who does not see it.
    for page in ["/", "/alerts", &format!("/nodes/{SLOW}")] {
        browser.go(&format!("http://{address}{page}"));
        let tree = browser.tool("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().expect("a tree");
        let role = |node: &Value| node["role"]["value"].as_str().unwrap_or_default().to_owned();
        let named = ["image", "link", "searchbox", "combobox", "button", "navigation"];
        let nameless = |node: &&Value| node["name"]["value"].as_str().unwrap_or_default().trim().is_empty();
        let bad: Vec<_> = nodes
            .iter()
            .filter(|node| node["ignored"] == false && named.contains(&role(node).as_str()))
            .filter(nameless)
            .collect();
        assert!(bad.is_empty(), "{page}: {bad:#?}");
        for wanted in ["main", "banner", "navigation", "table"] {
            assert!(nodes.iter().any(|node| role(node) == wanted), "{page} has no {wanted}");
        }
    }
}

#[test]
fn a_page_is_whole_without_scripts_renews_itself_with_them_and_goes_by_keyboard() {
    browser_or_skip!("a_page_is_whole_without_scripts_renews_itself_with_them_and_goes_by_keyboard");
    let (address, _story) = serve(Story::live(7));
    let browser = Browser::start();
    browser.size(1280, 900, false);
    browser.go(&format!("http://{address}/"));
    browser.press(TAB);
    let skip =
        browser.run("const it = document.activeElement; return [it.className, it.getBoundingClientRect().left >= 0]");
    assert_eq!(skip, json!(["skip", true]));
    browser.press(ENTER);
    assert_eq!(browser.run("return document.activeElement.id"), "main");

    browser.run("window.first = document.querySelector('main'); document.querySelector('details').open = true");
    let renewed = "return document.querySelector('main') !== window.first && document.querySelector('details').open";
    wait::until("a page that renews itself", || (browser.run(renewed) == true).then_some(()));
    assert_eq!(browser.run("return document.getElementById('stale').hidden"), true);
    assert_eq!(browser.console(), Vec::<String>::new());

    browser.tool("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.go(&format!("http://{address}/?name=db-&sort=name"));
    let rows = browser.run("return document.querySelectorAll('main tr').length");
    browser.tool("Emulation.setScriptExecutionDisabled", json!({ "value": false }));
    assert!(rows.as_u64() > Some(8), "{rows}");
}

#[test]
fn a_name_that_is_a_script_is_shown_and_does_not_run() {
    browser_or_skip!("a_name_that_is_a_script_is_shown_and_does_not_run");
    let (address, _story) = serve(Story::live(7));
    let browser = Browser::start();
    browser.size(1280, 900, false);
    browser.go(&format!("http://{address}/?name=script"));
    let link = browser.run("return document.querySelector('th.name a').innerText");
    assert!(link.as_str().is_some_and(|text| text.starts_with("<script>alert(1)</script>")), "{link}");
    browser.run("document.querySelector('th.name a').click()");
    wait::until("its page", || {
        let heading = browser.run("return document.querySelector('h1').innerText");
        heading.as_str().is_some_and(|text| text.contains("<script>")).then_some(())
    });
    assert!(HOSTILE.starts_with("<script>"));
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn the_pictures_of_the_documentation() {
    browser_or_skip!("the_pictures_of_the_documentation");
    let (address, story) = serve(Story::new(7));
    let browser = Browser::start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
    let alert = &pages(&story)[3];
    for (name, page, (width, height), dark) in [
        ("fleet.png", "/", (1080, 1120), false),
        ("node.png", "/nodes/db-03", (1000, 1040), true),
        ("alert.png", alert.as_str(), (1080, 1100), false),
        ("telephone.png", "/", (360, 780), true),
    ] {
        browser.size(width, height, width < 500);
        browser.dark(dark);
        browser.go(&format!("http://{address}{page}"));
        let picture = browser.picture();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() < MOST, "{name} has {} bytes", picture.len());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(&folder).expect("docs");
            fs::write(folder.join(name), picture).expect("a picture");
        }
    }
}
