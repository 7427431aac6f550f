//! Where reports go, who we are, and how much may wait.

use std::{path::PathBuf, time::Duration};

use crate::notify::Url;

/// What an operator sets, as `server.*` in the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The server; none if no reports are sent.
    pub url: Option<Url>,
    /// A file with the node's token, read anew for each request.
    pub token_file: Option<PathBuf>,
    /// The certificates that the server is checked against, instead of the system's; PEM.
    pub ca_file: Option<PathBuf>,
    /// A certificate that says who we are; PEM.
    pub cert_file: Option<PathBuf>,
    /// Its key; PEM.
    pub key_file: Option<PathBuf>,
    /// The time from one report to the next.
    pub interval: Duration,
    /// The most that waits on disk, in bytes.
    pub spool_bytes: usize,
    /// How long a report waits.
    pub spool_age: Duration,
    /// The node's name; the host's if it has none here.
    pub name: Option<String>,
}

impl Settings {
    /// What contradicts itself: a key, and what is wrong with it.
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => found.push(("server.cert_file", "set server.key_file too".into())),
            (None, Some(_)) => found.push(("server.key_file", "set server.cert_file too".into())),
            _ => {}
        }
        found
    }

    /// What is odd but no error, one line each.
    pub fn warnings(&self) -> Vec<String> {
        let secret = self.token_file.is_some() || self.cert_file.is_some();
        let mut found = Vec::new();
        match &self.url {
            None if secret => found.push("server.*: a secret is set, and no server.url to use it with".into()),
            Some(url) if self.token_file.is_some() && !url.is_https() && !url.is_local() => {
                found.push(format!("server.token_file: the token goes to {} in the clear: use https", url.name()));
            }
            _ => {}
        }
        found
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// One request, from the first byte to the last.
    pub timeout: Duration,
    /// The wait after the first failure; it doubles with each...
    pub backoff: Duration,
    /// ...up to this.
    pub backoff_most: Duration,
    /// The least wait where the server knows us and will not have us: an operator has to do something.
    pub refused: Duration,
    /// How many reports a second are replayed when some wait.
    pub replay_per_second: u32,
    /// How long the end may take.
    pub drain: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
            backoff_most: Duration::from_secs(60),
            refused: Duration::from_secs(60),
            replay_per_second: 100,
            drain: Duration::from_millis(400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_identity_is_a_contradiction_and_a_token_in_the_clear_is_warned_of() {
        let settings =
            |url| Settings { url: Url::parse(url).ok(), token_file: Some("t".into()), ..Settings::default() };
        assert_eq!(settings("http://far:1").warnings().len(), 1);
        assert_eq!(settings("https://far:1").warnings(), [""; 0]);
        assert_eq!(settings("http://127.0.0.1:1").warnings(), [""; 0]);
        assert_eq!(settings("").warnings().len(), 1);
        let half = Settings { cert_file: Some("c".into()), ..Settings::default() };
        assert_eq!(half.contradictions()[0].0, "server.cert_file");
        let whole = Settings { key_file: Some("k".into()), ..half };
        assert_eq!(whole.contradictions(), []);
    }
}
