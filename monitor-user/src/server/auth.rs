//! What a request may do: by its token, by the certificate of its connection, or because only this machine can ask at all.
//!
//! In: headers, and who is at the other end. Out: as whom reports may be sent, or whether something may be read; or a [`Refusal`].

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    pulse::Pulse,
    tokens::{Found, Role, Tokens},
};

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The names that its certificate proves; absent without one.
    pub names: Option<Arc<[String]>>,
    /// Told when it has said who it is.
    pub pulse: Arc<Pulse>,
}

/// As whom reports may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sends {
    /// As any node: only this machine can ask.
    Anyone,
    /// As one of these.
    Named(Arc<[String]>),
}

/// Why a request may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not say who it is.
    #[error("no token: send Authorization: Bearer kp_..., made by kpulse token create, or a client certificate")]
    Missing,
    /// The token is none.
    #[error("the token is none of this server's")]
    Unknown,
    /// It was one.
    #[error("the token is revoked")]
    Revoked,
    /// It is for something else.
    #[error("the token is not for this: reports need one made with --node, reading one made with --reader")]
    OtherRole,
    /// It is somebody else's.
    #[error("the token or certificate is of another node")]
    OtherNode,
}

impl Refusal {
    /// 401 to who could not be recognised, 403 to who was.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Unknown | Self::Revoked => StatusCode::UNAUTHORIZED,
            Self::OtherRole | Self::OtherNode => StatusCode::FORBIDDEN,
        }
    }
}

/// Decides.
#[derive(Debug)]
pub struct Gate {
    /// The tokens.
    pub tokens: Tokens,
    /// Whether who says nothing may do all: only where nobody but this machine can ask.
    pub open: bool,
}

impl Gate {
    /// As whom this request may send reports.
    ///
    /// # Errors
    ///
    /// If as nobody.
    pub fn sends(&self, peer: &Peer, headers: &HeaderMap) -> Result<Sends, Refusal> {
        let sends = match (token(headers), &peer.names) {
            (Some(token), _) => match self.role(&token)? {
                Role::Node(name) => Sends::Named([name].into()),
                Role::Reader(_) => return Err(Refusal::OtherRole),
            },
            (None, Some(names)) => Sends::Named(names.clone()),
            (None, None) if self.open => Sends::Anyone,
            (None, None) => return Err(Refusal::Missing),
        };
        peer.pulse.know();
        Ok(sends)
    }

    /// Whether this request may read.
    ///
    /// # Errors
    ///
    /// If it may not.
    pub fn reads(&self, peer: &Peer, headers: &HeaderMap) -> Result<(), Refusal> {
        match (token(headers), &peer.names) {
            (Some(token), _) => match self.role(&token)? {
                Role::Reader(_) => {}
                Role::Node(_) => return Err(Refusal::OtherRole),
            },
            (None, Some(_)) => {}
            (None, None) if self.open => {}
            (None, None) => return Err(Refusal::Missing),
        }
        peer.pulse.know();
        Ok(())
    }

    fn role(&self, token: &str) -> Result<Role, Refusal> {
        match self.tokens.find(token) {
            Found::Valid(role) => Ok(role),
            Found::Revoked => Err(Refusal::Revoked),
            Found::Unknown => Err(Refusal::Unknown),
        }
    }
}

impl Sends {
    /// Whether that node may be meant.
    ///
    /// # Errors
    ///
    /// If it may not.
    pub fn allows(&self, node: &str) -> Result<(), Refusal> {
        match self {
            Self::Anyone => Ok(()),
            Self::Named(names) if names.iter().any(|name| name == node) => Ok(()),
            Self::Named(_) => Err(Refusal::OtherNode),
        }
    }
}

/// The token of a request: a bearer's, or the password that a browser asks for, whatever the user's name. One that is there and cannot
/// be read is none of ours.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let password = decoded.and_then(|text| Some(text.split_once(':')?.1.to_owned()));
        return Some(password.unwrap_or_default());
    }
    Some(if scheme.eq_ignore_ascii_case("bearer") { rest.trim().to_owned() } else { String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{durable::tests::Directory, server::tokens};

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn a_token_says_more_than_a_certificate_and_a_bad_one_is_never_overlooked() {
        let directory = Directory::new();
        let node = tokens::create(&directory.0, Role::Node("a".into()), 1).unwrap().0;
        let reader = tokens::create(&directory.0, Role::Reader("r".into()), 1).unwrap().0;
        let gate = |open| Gate { tokens: Tokens::open(&directory.0).unwrap(), open };
        let (bare, of_b) = (Peer::default(), Peer { names: Some(["b".to_owned()].into()), ..Peer::default() });
        let none = HeaderMap::new();
        assert_eq!(gate(false).sends(&bare, &none), Err(Refusal::Missing));
        assert_eq!(gate(true).sends(&bare, &none), Ok(Sends::Anyone));
        assert!(gate(false).sends(&of_b, &none).unwrap().allows("b").is_ok());
        let as_a = gate(false).sends(&of_b, &headers(&format!("Bearer {node}"))).unwrap();
        assert!(as_a.allows("a").is_ok() && as_a.allows("b") == Err(Refusal::OtherNode));
        for wrong in ["Bearer kp_wrong", "Bearer", "Digest x", "Basic !!!", ""] {
            assert_eq!(gate(true).sends(&of_b, &headers(wrong)), Err(Refusal::Unknown), "{wrong}");
        }
        assert_eq!(gate(true).sends(&bare, &headers(&format!("Bearer {reader}"))), Err(Refusal::OtherRole));
        assert_eq!(gate(true).reads(&bare, &headers(&format!("Bearer {node}"))), Err(Refusal::OtherRole));
        let basic = format!("Basic {}", STANDARD.encode(format!("anybody:{reader}")));
        assert!(gate(false).reads(&bare, &headers(&basic)).is_ok() && bare.pulse.is_known());
        assert_eq!(gate(false).reads(&Peer::default(), &none), Err(Refusal::Missing));
    }
}
