//! Which machine this is, so that a server can tell two of one name apart, without telling it the machine's id.
//!
//! machine-id(5) asks that the id be kept at home, and that a digest with a key of the application's own be used instead.

use std::{fs, path::Path};

use crate::durable;

/// The digest's key.
const KEY: &[u8] = b"kpulse: the machine of a report";
/// As many bytes of it tell all machines apart.
const BYTES: usize = 16;

/// A digest of `/etc/machine-id` below `root`; where there is none, a number that was drawn once and is kept in `state`. Empty if
/// neither can be had: then a server cannot tell.
pub fn machine(root: &Path, state: &Path) -> Vec<u8> {
    let id = fs::read_to_string(root.join("etc/machine-id")).ok();
    let id = id.map(|id| id.trim().to_owned()).filter(|id| id.len() >= 32 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    match id {
        Some(id) => digest(id.as_bytes()),
        None => drawn(state).unwrap_or_default(),
    }
}

fn drawn(state: &Path) -> Option<Vec<u8>> {
    let path = state.join("machine");
    if let Ok(Some(kept)) = durable::load(&path) {
        return Some(digest(&kept));
    }
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").ok()?;
    durable::save(&path, random.trim().as_bytes()).ok()?;
    Some(digest(random.trim().as_bytes()))
}

fn digest(id: &[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, KEY);
    ring::hmac::sign(&key, id).as_ref()[..BYTES].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::tests::Directory;

    #[test]
    fn a_machine_is_the_same_again_and_another_is_another() {
        let (root, state) = (Directory::new(), Directory::new());
        let of = || machine(&root.0, &state.0);
        let drawn = of();
        assert_eq!((drawn.len(), of()), (BYTES, drawn.clone()));
        fs::create_dir(root.0.join("etc")).unwrap();
        for id in ["uninitialized\n", "", "short"] {
            fs::write(root.0.join("etc/machine-id"), id).unwrap();
            assert_eq!(of(), drawn);
        }
        fs::write(root.0.join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        let known = of();
        assert!(known != drawn && known == of());
        fs::write(root.0.join("etc/machine-id"), "0123456789abcdef0123456789abcdee\n").unwrap();
        assert_ne!(of(), known);
    }
}
