//! How many reports each node had said that it lost, on disk: a node loses reports while the server is away, and says so when
//! it is back.
//!
//! In: a state directory. Out: `lost.json` in it, by node, without those that lost nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::durable::{self, Error};

fn file(state: &Path) -> PathBuf {
    state.join("lost.json")
}

/// Reads it; `None` if it was never written.
///
/// # Errors
///
/// If the file cannot be read, or is damaged. The caller takes as known what nodes say next.
pub fn load(state: &Path) -> Result<Option<BTreeMap<String, u64>>, Error> {
    let path = file(state);
    let Some(bytes) = durable::load(&path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Damaged { path, reason: error.to_string() })
}

/// Writes it.
///
/// # Errors
///
/// If the disk takes it not.
pub fn save(state: &Path, losses: &BTreeMap<String, u64>) -> Result<(), Error> {
    durable::save(&file(state), &serde_json::to_vec(losses).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::tests::Directory;

    #[test]
    fn what_was_said_is_there_again_and_nothing_is_not_the_same_as_nobody() {
        let state = Directory::new();
        assert_eq!(load(&state.0).unwrap(), None);
        for losses in [BTreeMap::new(), BTreeMap::from([("a".to_owned(), 3)])] {
            save(&state.0, &losses).unwrap();
            assert_eq!(load(&state.0).unwrap(), Some(losses));
        }
        std::fs::write(file(&state.0), "garbage").unwrap();
        assert!(load(&state.0).is_err());
    }
}
