//! Who is to be told, and how: what an operator sets, what the agent knows, and the pace.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::Url;

/// What an operator sets, as `notify.*` in the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Alertmanagers: each is told everything.
    pub alertmanagers: Endpoints,
    /// Webhooks.
    pub webhooks: Endpoints,
    /// Elasticsearch servers.
    pub elasticsearch: Endpoints,
    /// The certificates that servers are checked against, instead of the system's; PEM.
    pub ca_file: Option<PathBuf>,
    /// How often alerts that fire are told to Alertmanagers again.
    pub resend: Duration,
    /// Where people reach the agent's pages.
    pub external_url: Option<Url>,
    /// The most that is kept for those who cannot be told now, in bytes.
    pub queue_bytes: usize,
}

/// Servers of one kind, and what they ask for. A secret goes to the servers of its kind and to no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Where they are.
    pub urls: Vec<Url>,
    /// Who they are told that we are.
    pub auth: Auth,
}

/// How to say who we are: at most one way. The files are read anew for each request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// A file with a bearer token.
    pub token_file: Option<PathBuf>,
    /// A user name, with `password_file`.
    pub username: Option<String>,
    /// A file with the user's password.
    pub password_file: Option<PathBuf>,
    /// A file with an API key of Elasticsearch.
    pub api_key_file: Option<PathBuf>,
}

/// What the agent knows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The host's name.
    pub name: String,
    /// The kernel's name for this boot.
    pub boot_id: String,
    /// Where people reach the agent's pages, without a slash at the end.
    pub url: String,
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
    /// How long Alertmanagers are told again of what is over.
    pub resolved_for: Duration,
    /// How long the end may take.
    pub drain: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
            backoff_most: Duration::from_secs(300),
            resolved_for: Duration::from_secs(15 * 60),
            drain: Duration::from_millis(400),
        }
    }
}

impl Settings {
    /// Where people reach the agent's pages: what is set, or else what follows from where it listens.
    pub fn pages(&self, listen: SocketAddr, hostname: &str) -> String {
        match &self.external_url {
            Some(url) => url.to_string(),
            // Who listens everywhere is reached by name.
            None if listen.ip().is_unspecified() && !hostname.is_empty() => {
                format!("http://{hostname}:{}", listen.port())
            }
            None => format!("http://{listen}"),
        }
    }

    /// What contradicts itself: a key, and what is wrong with it.
    pub fn contradictions(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (kind, endpoints) in self.kinds() {
            let Auth { token_file, username, password_file, api_key_file } = &endpoints.auth;
            let mut say = |key: &str, what: String| found.push((format!("notify.{kind}_{key}"), what));
            match (username, password_file) {
                (Some(_), None) => say("username", format!("set notify.{kind}_password_file too")),
                (None, Some(_)) => say("password_file", format!("set notify.{kind}_username too")),
                _ => {}
            }
            let ways = [token_file.is_some(), username.is_some(), api_key_file.is_some()];
            if ways.into_iter().filter(|way| *way).count() > 1 {
                let key = if token_file.is_some() { "token_file" } else { "api_key_file" };
                say(key, "only one of a token, an API key and a user name can be used".into());
            }
        }
        found
    }

    /// What is odd but no error, one line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (kind, endpoints) in self.kinds().into_iter().filter(|(_, endpoints)| endpoints.auth != Auth::default()) {
            if endpoints.urls.is_empty() {
                found.push(format!("notify.{kind}_*: a secret is set, and no server to use it with"));
            }
            let open = |url: &&Url| !url.is_https() && !url.is_local();
            found.extend(
                endpoints
                    .urls
                    .iter()
                    .filter(open)
                    .map(|url| format!("notify.{kind}_*: the secret goes to {} in the clear: use https", url.name())),
            );
        }
        found
    }

    fn kinds(&self) -> [(&'static str, &Endpoints); 3] {
        [("alertmanager", &self.alertmanagers), ("webhook", &self.webhooks), ("elasticsearch", &self.elasticsearch)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(auth: Auth, url: &str) -> Settings {
        let webhooks = Endpoints { urls: vec![Url::parse(url).unwrap()], auth };
        Settings { webhooks, ..Settings::default() }
    }

    #[test]
    fn half_a_secret_and_two_secrets_are_contradictions() {
        let keys =
            |auth| settings(auth, "http://a").contradictions().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        let (file, user) = (|| Some(PathBuf::from("/f")), || Some("u".to_owned()));
        assert_eq!(keys(Auth::default()), [""; 0]);
        assert_eq!(keys(Auth { username: user(), password_file: file(), ..Auth::default() }), [""; 0]);
        assert_eq!(keys(Auth { username: user(), ..Auth::default() }), ["notify.webhook_username"]);
        assert_eq!(keys(Auth { password_file: file(), ..Auth::default() }), ["notify.webhook_password_file"]);
        let both = Auth { token_file: file(), username: user(), password_file: file(), ..Auth::default() };
        assert_eq!(keys(both), ["notify.webhook_token_file"]);
    }

    #[test]
    fn a_secret_in_the_clear_is_warned_of() {
        let auth = || Auth { token_file: Some("/f".into()), ..Auth::default() };
        assert_eq!(settings(auth(), "http://a").warnings().len(), 1);
        for fine in ["https://a", "http://127.0.0.1:1", "http://[::1]"] {
            assert_eq!(settings(auth(), fine).warnings(), [""; 0]);
        }
        assert_eq!(settings(Auth::default(), "http://a").warnings(), [""; 0]);
    }

    #[test]
    fn pages_are_where_the_agent_listens_unless_it_is_set() {
        let at = |listen: &str| Settings::default().pages(listen.parse().unwrap(), "node");
        assert_eq!(at("127.0.0.1:9466"), "http://127.0.0.1:9466");
        assert_eq!((at("0.0.0.0:1"), at("[::]:1")), ("http://node:1".into(), "http://node:1".into()));
        let set = Settings { external_url: Url::parse("https://x/kpulse/").ok(), ..Settings::default() };
        assert_eq!(set.pages(([0; 4], 1).into(), "node"), "https://x/kpulse");
    }
}
