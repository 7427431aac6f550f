//! Tokens: who may send reports as which node, and who may read.
//!
//! A token is `kp_` and 256 random bits. The file `tokens.json` in the state directory has their SHA-256: with so many bits nobody guesses
//! one, so nothing slower is needed. It is told apart by the first bytes of the hash, and compared in constant time.
//!
//! In: the state directory. `kpulse token` writes the file under a lock; the server reads it again when it has changed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::durable;

/// What every token begins with, so that people and scanners of secrets know one.
pub const PREFIX: &str = "kp_";
/// Random bytes in it.
const SECRET: usize = 32;
/// Bytes of the hash that name a token.
const ID: usize = 6;
/// The longest text that is hashed.
const LONGEST: usize = 256;

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To send reports as this node.
    Node(String),
    /// To read everything, under this name.
    Reader(String),
}

/// One token, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name: the beginning of the hash.
    pub id: String,
    /// The SHA-256 of the token, hexadecimal.
    pub sha256: String,
    /// What it allows.
    pub role: Role,
    /// When it was made, in nanoseconds since 1970.
    pub created_ns: u64,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_ns: Option<u64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    tokens: Vec<Entry>,
}

/// Why tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file.
    #[error(transparent)]
    File(#[from] durable::Error),
    /// The system refuses.
    #[error("{path} cannot be {what}: {source}")]
    Io {
        /// What.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The system has no random numbers.
    #[error("a token cannot be made: the system gives no random numbers")]
    Random,
    /// No such token.
    #[error("there is no token {0}: `kpulse token list` names them all")]
    Unknown(String),
    /// A name that no node can have.
    #[error("{0:?} is no name of a node: expected 1 to 255 bytes without control characters")]
    Name(String),
}

/// The file in a state directory.
pub fn file(state: &Path) -> PathBuf {
    state.join("tokens.json")
}

fn hash(token: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every token, revoked ones too, in the order in which they were made.
///
/// # Errors
///
/// If the file cannot be read or is damaged.
pub fn list(state: &Path) -> Result<Vec<Entry>, Error> {
    let path = file(state);
    let Some(bytes) = durable::load(&path)? else { return Ok(Vec::new()) };
    let contents: Contents =
        serde_json::from_slice(&bytes).map_err(|error| durable::Error::Damaged { path, reason: error.to_string() })?;
    Ok(contents.tokens)
}

/// Changes the file while nobody else does.
fn change<T>(state: &Path, change: impl FnOnce(&mut Vec<Entry>) -> Result<T, Error>) -> Result<T, Error> {
    let io = |path: &Path, what| {
        let path = path.to_owned();
        move |source| Error::Io { path, what, source }
    };
    fs::create_dir_all(state).map_err(io(state, "made"))?;
    let path = state.join("tokens.lock");
    let lock = File::create(&path).map_err(io(&path, "made"))?;
    lock.lock().map_err(io(&path, "locked"))?;
    let mut tokens = list(state)?;
    let said = change(&mut tokens)?;
    let path = file(state);
    let bytes = serde_json::to_vec_pretty(&Contents { tokens }).map_err(|error| Error::Io {
        path: path.clone(),
        what: "written",
        source: error.into(),
    })?;
    durable::save(&path, &bytes)?;
    Ok(said)
}

/// Makes a token: it is nowhere but in what is returned.
///
/// # Errors
///
/// If the name is none, or the file cannot be changed.
pub fn create(state: &Path, role: Role, now_ns: u64) -> Result<(String, Entry), Error> {
    let made = make(role, now_ns)?;
    change(state, |tokens| {
        tokens.push(made.1.clone());
        Ok(())
    })?;
    Ok(made)
}

/// Makes a token for each, all at once or none: thousands are one change of the file.
///
/// # Errors
///
/// As [`create`].
pub fn create_all(state: &Path, roles: impl Iterator<Item = Role>, now_ns: u64) -> Result<Vec<(String, Entry)>, Error> {
    let made = roles.map(|role| make(role, now_ns)).collect::<Result<Vec<_>, _>>()?;
    change(state, |tokens| {
        tokens.extend(made.iter().map(|(_, entry)| entry.clone()));
        Ok(())
    })?;
    Ok(made)
}

fn make(role: Role, now_ns: u64) -> Result<(String, Entry), Error> {
    let (Role::Node(name) | Role::Reader(name)) = &role;
    if name.trim().is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
        return Err(Error::Name(name.clone()));
    }
    let mut secret = [0; SECRET];
    SystemRandom::new().fill(&mut secret).map_err(|_| Error::Random)?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    let sha256 = hash(&token);
    let entry = Entry { id: hex(&sha256[..ID]), sha256: hex(&sha256), role, created_ns: now_ns, revoked_ns: None };
    Ok((token, entry))
}

/// Revokes a token; one that is revoked stays so.
///
/// # Errors
///
/// If there is none, or the file cannot be changed.
pub fn revoke(state: &Path, id: &str, now_ns: u64) -> Result<Entry, Error> {
    change(state, |tokens| {
        let found = tokens.iter_mut().find(|entry| entry.id == id).ok_or_else(|| Error::Unknown(id.to_owned()))?;
        found.revoked_ns.get_or_insert(now_ns);
        Ok(found.clone())
    })
}

/// What a token turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It allows this.
    Valid(Role),
    /// It did once.
    Revoked,
    /// There is no such token.
    Unknown,
}

/// The tokens as the server has them.
#[derive(Debug)]
pub struct Tokens {
    state: PathBuf,
    read: RwLock<Arc<Read>>,
}

#[derive(Debug, Default)]
struct Read {
    by_id: BTreeMap<String, Entry>,
    /// What tells the file from one that was changed.
    stamp: Option<(u64, i64, i64, u64)>,
}

impl Tokens {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// As [`list`].
    pub fn open(state: &Path) -> Result<Self, Error> {
        let tokens = Self { state: state.to_owned(), read: RwLock::default() };
        tokens.refresh()?;
        Ok(tokens)
    }

    /// How many are valid.
    pub fn valid(&self) -> usize {
        self.current().by_id.values().filter(|entry| entry.revoked_ns.is_none()).count()
    }

    /// Reads them again if the file has changed. True if it had. What cannot be read leaves the old ones in force.
    ///
    /// # Errors
    ///
    /// As [`list`].
    pub fn refresh(&self) -> Result<bool, Error> {
        let stamp = stamp(&file(&self.state));
        if stamp == self.current().stamp {
            return Ok(false);
        }
        let by_id = list(&self.state)?.into_iter().map(|entry| (entry.id.clone(), entry)).collect();
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Read { by_id, stamp });
        Ok(true)
    }

    /// What this token is.
    pub fn find(&self, token: &str) -> Found {
        if !token.starts_with(PREFIX) || token.len() > LONGEST {
            return Found::Unknown;
        }
        let hash = hash(token);
        let current = self.current();
        let Some(entry) = current.by_id.get(&hex(&hash[..ID])) else { return Found::Unknown };
        if !bool::from(entry.sha256.as_bytes().ct_eq(hex(&hash).as_bytes())) {
            return Found::Unknown;
        }
        if entry.revoked_ns.is_some() { Found::Revoked } else { Found::Valid(entry.role.clone()) }
    }

    fn current(&self) -> Arc<Read> {
        self.read.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn stamp(path: &Path) -> Option<(u64, i64, i64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::tests::Directory;

    fn node(name: &str) -> Role {
        Role::Node(name.into())
    }

    #[test]
    fn a_token_is_valid_until_it_is_revoked_and_is_nowhere_on_disk() {
        let directory = Directory::new();
        let tokens = Tokens::open(&directory.0).unwrap();
        let (token, entry) = create(&directory.0, node("a"), 5).unwrap();
        let (other, _) = create(&directory.0, Role::Reader("r".into()), 6).unwrap();
        assert_eq!(tokens.find(&token), Found::Unknown, "not read yet");
        assert!(tokens.refresh().unwrap() && !tokens.refresh().unwrap());
        assert_eq!((tokens.find(&token), tokens.valid()), (Found::Valid(node("a")), 2));
        assert_eq!(tokens.find(&other), Found::Valid(Role::Reader("r".into())));
        let text = fs::read_to_string(file(&directory.0)).unwrap();
        assert!(!text.contains(&token[PREFIX.len()..]) && text.contains(&entry.sha256));
        revoke(&directory.0, &entry.id, 7).unwrap();
        assert_eq!(revoke(&directory.0, &entry.id, 8).unwrap().revoked_ns, Some(7));
        assert!(tokens.refresh().unwrap());
        assert_eq!((tokens.find(&token), tokens.valid()), (Found::Revoked, 1));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let directory = Directory::new();
        let (token, _) = create(&directory.0, node("a"), 5).unwrap();
        let tokens = Tokens::open(&directory.0).unwrap();
        let mut flipped = token.clone().into_bytes();
        *flipped.last_mut().unwrap() ^= 2;
        for wrong in
            ["", "kp_", &token[1..], &format!("{token}x"), &String::from_utf8(flipped).unwrap(), &"kp_x".repeat(99)]
        {
            assert_eq!(tokens.find(wrong), Found::Unknown, "{wrong}");
        }
        for name in ["", " ", "a\nb", &"x".repeat(256)] {
            assert!(create(&directory.0, node(name), 1).is_err(), "{name:?}");
        }
        assert!(matches!(revoke(&directory.0, "00", 1), Err(Error::Unknown(_))));
    }

    #[test]
    fn tokens_of_many_nodes_are_made_together_or_not_at_all() {
        let directory = Directory::new();
        let made = create_all(&directory.0, ["a", "b"].map(node).into_iter(), 5).unwrap();
        let tokens = Tokens::open(&directory.0).unwrap();
        let found: Vec<_> = made.iter().map(|(token, _)| tokens.find(token)).collect();
        assert_eq!(found, [Found::Valid(node("a")), Found::Valid(node("b"))]);
        assert!(create_all(&directory.0, ["c", ""].map(node).into_iter(), 6).is_err());
        assert_eq!(list(&directory.0).unwrap().len(), 2);
    }

    #[test]
    fn a_damaged_file_leaves_the_old_tokens_in_force() {
        let directory = Directory::new();
        let (token, _) = create(&directory.0, node("a"), 5).unwrap();
        let tokens = Tokens::open(&directory.0).unwrap();
        fs::write(file(&directory.0), "garbage\n").unwrap();
        assert!(tokens.refresh().is_err());
        assert_eq!(tokens.find(&token), Found::Valid(node("a")));
    }
}
