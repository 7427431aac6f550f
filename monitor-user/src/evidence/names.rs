//! Names from outside as evidence keeps them: nothing in them moves a cursor or breaks a line, and none is long.
//!
//! A task gives itself any name, and evidence goes to terminals, telephones and chat rooms. So names are made harmless where
//! they come in. What is markup to an output is that output's to quote.

use crate::table::text::fit;

/// The longest name of a task, a device or a node, in bytes. The kernel's own have at most 15 and 31.
const NAME: usize = 48;
/// The longest path of a cgroup or a mount, in bytes.
const PATH: usize = 160;

/// The name of a task, a device or a node; cut at its end.
pub fn name(name: &str) -> String {
    let safe = fit(name, usize::MAX);
    match cut(&safe, NAME) {
        None => safe,
        Some(_) => {
            let end = (0..=NAME - ELLIPSIS.len_utf8()).rev().find(|&i| safe.is_char_boundary(i)).unwrap_or(0);
            format!("{}{ELLIPSIS}", &safe[..end])
        }
    }
}

/// A path; cut at its beginning, since its end says the most.
pub fn path(path: &str) -> String {
    let safe = fit(path, usize::MAX);
    match cut(&safe, PATH) {
        None => safe,
        Some(over) => {
            let from = over + ELLIPSIS.len_utf8();
            let start = (from..safe.len()).find(|&i| safe.is_char_boundary(i)).unwrap_or(safe.len());
            format!("{ELLIPSIS}{}", &safe[start..])
        }
    }
}

/// The path of a cgroup, or what can be said of one that has none.
pub fn cgroup(inode: u64, known: Option<&str>) -> String {
    match (inode, known) {
        (_, Some(known)) => path(known),
        (0, None) => "(cgroup not known)".into(),
        (inode, None) => format!("(cgroup {inode})"),
    }
}

const ELLIPSIS: char = '…';

/// How many bytes are too many.
fn cut(safe: &str, most: usize) -> Option<usize> {
    safe.len().checked_sub(most).filter(|&over| over > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_is_short_and_inert(text in "\\PC{0,300}|[\\x00-\\x1f\u{202e}ä\u{200b}/]{0,300}") {
            for (safe, most) in [(name(&text), NAME), (path(&text), PATH)] {
                prop_assert!(safe.len() <= most && !safe.is_empty(), "{safe}");
                prop_assert!(!safe.contains(|c: char| c.is_control() || "\u{202e}\u{200b}".contains(c)), "{safe:?}");
            }
        }
    }

    #[test]
    fn the_end_of_a_path_is_kept_and_the_beginning_of_a_name() {
        let pod = format!("/kubepods.slice/{}/cri-containerd-abc.scope", "x".repeat(200));
        assert!(path(&pod).starts_with("…x") && path(&pod).ends_with("/cri-containerd-abc.scope"));
        assert!(name(&"a".repeat(99)).ends_with("a…"));
        assert_eq!((cgroup(7, None), cgroup(0, None)), ("(cgroup 7)".into(), "(cgroup not known)".into()));
        assert_eq!(cgroup(7, Some("/a\nb")), "/a\\nb");
    }
}
