//! Where something is told: an http or https URL that holds no secret.

use std::fmt;

use hyper::{Uri, http::uri::Scheme};

/// An http or https URL without user, password, query and fragment, and without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url(String);

impl Url {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the end of a sentence. The text itself is not in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            return Err("a user name or password may not stand in a URL: use the keys for them, and files".into());
        }
        if text.contains(['?', '#', ',']) {
            return Err("a query, a fragment or a comma may not stand in it: what is secret belongs into a file".into());
        }
        let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
        if ![Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme()) {
            return Err("it must begin with http:// or https://".into());
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err("the host is missing".into());
        }
        if uri.authority().is_some_and(|authority| authority.as_str().ends_with(':') || bad_port(authority)) {
            return Err("the port is no number from 1 to 65535".into());
        }
        Ok(Self(text.trim_end_matches('/').into()))
    }

    /// The URL with something appended to its path, which begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether it is encrypted.
    pub fn is_https(&self) -> bool {
        self.uri().is_some_and(|uri| uri.scheme() == Some(&Scheme::HTTPS))
    }

    /// Whether it leads to this machine alone.
    pub fn is_local(&self) -> bool {
        let host = self.uri().and_then(|uri| uri.host().map(|host| host.trim_matches(['[', ']']).to_owned()));
        host.is_some_and(|host| {
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        })
    }

    /// A name for the log, metrics and cursors. A path can be a secret, so it is there as a number only.
    pub fn name(&self) -> String {
        let Some(uri) = self.uri() else { return String::new() };
        let place = format!(
            "{}://{}",
            uri.scheme_str().unwrap_or_default(),
            uri.authority().map(|authority| authority.as_str()).unwrap_or_default()
        );
        match uri.path() {
            "" | "/" => place,
            path => format!("{place}/~{:08x}", crc32fast::hash(path.as_bytes())),
        }
    }

    fn uri(&self) -> Option<Uri> {
        self.0.parse().ok()
    }
}

/// A port beyond 65535 is no port to the parser; then what stands behind the colon is left.
fn bad_port(authority: &hyper::http::uri::Authority) -> bool {
    let behind = authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, behind)| behind);
    behind.contains(':') && authority.port_u16().is_none_or(|port| port == 0)
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_taken_only_if_it_is_one_and_holds_no_secret() {
        for good in ["http://a", "https://a.b:9093", "http://127.0.0.1:1/x/", "http://[::1]:9093", "HTTP://a"] {
            assert!(Url::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "a:9093",
            "/x",
            "ftp://a",
            "http://",
            "http://:1",
            "http://u:hunter2@a",
            "http://hunter2@a",
            "http://a/?k=hunter2",
            "http://a#hunter2",
            "http://a,http://b",
            "http://a:",
            "http://a:99999",
            "http://a:0",
            "http://a b",
            "http://[::1]:0",
        ] {
            let error = Url::parse(bad).expect_err(bad);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_name_tells_two_paths_apart_and_shows_none() {
        let name = |text: &str| Url::parse(text).unwrap().name();
        assert_eq!((name("http://a:1"), name("http://a:1/")), ("http://a:1".into(), "http://a:1".into()));
        let (one, two) = (name("https://hooks/T0/secret"), name("https://hooks/T0/other"));
        assert!(one.starts_with("https://hooks/~") && one != two && !one.contains("secret"), "{one} {two}");
    }

    #[test]
    fn what_is_on_this_machine_is_known() {
        let local = |text: &str| Url::parse(text).unwrap().is_local();
        assert!(["http://localhost:1", "http://127.0.0.2", "http://[::1]:5"].into_iter().all(local));
        assert!(!["http://example.com", "http://10.0.0.1", "http://localhost.example.com"].into_iter().any(local));
        assert!(Url::parse("https://a").unwrap().is_https() && !Url::parse("http://a").unwrap().is_https());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", tail in "[a-z0-9:/@.\\[\\]]*") {
            for text in [text, format!("http://{tail}")] {
                if let Ok(url) = Url::parse(&text) {
                    prop_assert_eq!(Url::parse(&url.to_string()), Ok(url.clone()));
                    prop_assert!(!url.name().is_empty());
                }
            }
        }
    }
}
