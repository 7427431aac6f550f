//! One HTTP request: connect, encrypt, send, wait, and say what came of it.
//!
//! In: a URL, a body, a secret. Out: an [`Answer`], or the [`Trouble`] that there is none. TLS is rustls with ring; servers
//! are checked against the system's certificates or one file. Redirects are not followed: a secret goes where it was
//! meant to go.

use std::{
    error::Error,
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};

use super::{certificates, settings::Auth};

/// The most of an answer that is read, in bytes.
const LONGEST_ANSWER: usize = 4 << 20;

/// Nobody is waited for longer than this because they ask for it.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The `Date` of an answer has whole seconds: clocks that are no further apart agree.
const CLOCKS_AGREE: Duration = Duration::from_secs(2);

/// Sends requests.
#[derive(Clone)]
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

/// What is to be sent.
pub struct Post<'a> {
    /// Where to.
    pub url: String,
    /// What kind of body it is.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// Who we are.
    pub auth: &'a Auth,
    /// The body.
    pub body: Vec<u8>,
}

/// What a server said.
#[derive(Debug)]
pub struct Answer {
    /// 200 and so on.
    pub status: u16,
    /// How long it wants to be left alone.
    pub retry_after: Option<Duration>,
    /// How far its clock is ahead of ours, in nanoseconds: 0 if not noticeably; absent if it did not say.
    pub ahead_ns: Option<i64>,
    /// What it said.
    pub body: Bytes,
    /// The beginning of that, fit for a message, without our secrets.
    pub said: String,
}

/// Why something was not delivered and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What went wrong, fit for the log.
    pub why: String,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether it concerns the server as a whole: then nothing else is sent there for now.
    pub whole: bool,
}

impl Trouble {
    fn whole(why: String) -> Self {
        Self { why, retry_after: None, whole: true }
    }
}

impl Client {
    /// For servers that are checked against the certificates of `ca_file`, or else the system's. Without `tls` no
    /// certificates are read.
    ///
    /// # Errors
    ///
    /// If there are no certificates.
    pub fn new(tls: bool, ca_file: Option<&Path>, timeout: Duration) -> Result<Self, String> {
        let roots = if tls { certificates::roots(ca_file, "notify.ca_file")? } else { RootCertStore::empty() };
        Ok(Self::with(certificates::client(roots, None)?, timeout))
    }

    /// With this TLS.
    pub fn with(config: ClientConfig, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout / 2));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(tcp);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30)).pool_max_idle_per_host(1);
        Self { http: builder.build(connector), timeout }
    }

    /// Sends a request and waits for all of the answer.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn post(&self, post: Post<'_>) -> Result<Answer, Trouble> {
        let secret = post.auth.read().map_err(Trouble::whole)?;
        let redact = |text: &str| secret.as_ref().map_or_else(|| text.to_owned(), |secret| secret.redact(text));
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&post.url)
            .header(CONTENT_TYPE, post.content_type)
            .header(USER_AGENT, concat!("kpulse/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &post.headers {
            request = request.header(*name, value);
        }
        if let Some(secret) = &secret {
            request = request.header(AUTHORIZATION, secret.value.clone());
        }
        let request = request
            .body(Full::new(post.body.into()))
            .map_err(|error| Trouble::whole(format!("no request: {error}")))?;
        let exchange = async {
            let begun = SystemTime::now();
            let response = self.http.request(request).await.map_err(|error| causes(&error))?;
            let ahead_ns = ahead_ns(response.headers(), begun, SystemTime::now());
            let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
            let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
            let body = body.map_err(|error| causes(error.as_ref()))?.to_bytes();
            let said = excerpt(&redact(&String::from_utf8_lossy(&body[..body.len().min(2000)])));
            Ok(Answer { status, retry_after, ahead_ns, body, said })
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(result) => result.map_err(|why: String| Trouble::whole(redact(&why))),
            Err(_) => Err(Trouble::whole(format!("no answer in {:?}", self.timeout))),
        }
    }
}

impl Answer {
    /// Whether it was taken (`None`), or is to be tried again. Refused for good is an error with what the server said.
    ///
    /// Who we are and where we ask is for an operator to put right, so the alert waits; so do redirects.
    ///
    /// # Errors
    ///
    /// If the server will never take it.
    pub fn verdict(&self) -> Result<Option<Trouble>, String> {
        let why = if self.said.is_empty() {
            format!("status {}", self.status)
        } else {
            format!("status {}: {}", self.status, self.said)
        };
        let trouble = |whole| Ok(Some(Trouble { why: why.clone(), retry_after: self.retry_after, whole }));
        match self.status {
            200..=299 => Ok(None),
            300..=399 | 401 | 403 | 407 | 408 | 421 | 425 | 429 | 502..=504 => trouble(true),
            400..=499 => Err(why),
            _ => trouble(false),
        }
    }
}

/// A message with all that caused it, which is where the words are that help.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    excerpt(&text)
}

/// The beginning of a text, on one line.
fn excerpt(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(plain).take(300).collect()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

fn ahead_ns(headers: &HeaderMap, begun: SystemTime, ended: SystemTime) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let since_1970 =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_nanos() as i128);
    let (date, begun, ended) = (since_1970(date)?, since_1970(begun)?, since_1970(ended)?);
    // The second that was cut off is half a second on average.
    let ahead = date + 500_000_000 - (begun + ended) / 2;
    let noticeable = ahead.abs() > CLOCKS_AGREE.as_nanos() as i128 + (ended - begun).abs() / 2;
    Some(if noticeable { ahead.clamp(i64::MIN.into(), i64::MAX.into()) as i64 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_as_a_date_and_is_not_endless() {
        let asked = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("999999999"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!(asked(&later).is_some_and(|wait| wait > Duration::from_secs(90)));
        assert_eq!((asked("soon"), asked("-1"), retry_after(&HeaderMap::new())), (None, None, None));
    }

    #[test]
    fn clocks_that_are_an_hour_apart_are_noticed_and_a_second_is_not() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_700);
        let ahead = |date: SystemTime, took: Duration| {
            let date = httpdate::fmt_http_date(date);
            ahead_ns(&HeaderMap::from_iter([(DATE, date.parse().unwrap())]), now, now + took)
        };
        let hour = Duration::from_secs(3600);
        assert_eq!(ahead(now, Duration::ZERO), Some(0));
        assert_eq!(ahead(now - Duration::from_secs(1), Duration::ZERO), Some(0));
        assert_eq!(ahead(now + hour, Duration::ZERO), Some(3_599_800_000_000));
        assert_eq!(ahead(now - hour, Duration::ZERO), Some(-3_600_200_000_000));
        assert_eq!(ahead(now + Duration::from_secs(4), Duration::from_secs(8)), Some(0), "it took as long to hear it");
        assert_eq!(ahead_ns(&HeaderMap::new(), now, now), None);
    }

    #[test]
    fn what_an_operator_can_put_right_is_tried_again_and_what_is_wrong_with_the_alert_is_not() {
        let verdict = |status| {
            let answer = Answer { status, retry_after: None, ahead_ns: None, body: Bytes::new(), said: "no".into() };
            answer.verdict().map(|trouble| trouble.map(|trouble| trouble.whole))
        };
        for status in [200, 202, 204] {
            assert_eq!(verdict(status), Ok(None));
        }
        for status in [302, 401, 403, 408, 429, 503] {
            assert_eq!(verdict(status), Ok(Some(true)), "{status}");
        }
        assert_eq!(verdict(500), Ok(Some(false)));
        for status in [400, 404, 413, 422] {
            assert_eq!(verdict(status), Err(format!("status {status}: no")));
        }
    }
}
