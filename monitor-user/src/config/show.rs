//! The configuration as text: what is in force and whence, and a commented file of the defaults. Both are valid TOML.

use super::{Config, Key, Loaded, Origin};

/// What is in force: one key a line, with its origin in a comment.
pub fn show(loaded: &Loaded) -> String {
    let lines: Vec<(String, String)> = loaded
        .keys
        .iter()
        .map(|key| {
            let origin = loaded.origin.get(key.name).unwrap_or(&Origin::Default).to_string();
            (format!("{} = {}", key.name, key.toml(&loaded.config)), origin)
        })
        .collect();
    // One long path must not push all comments off the screen.
    let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    lines.iter().map(|(line, origin)| format!("{line:width$}  # {origin}\n")).collect()
}

/// A complete configuration file of these keys: every one with its default, its range and what it is for, each commented out, so that
/// a later version's better default is taken.
pub fn default_file(keys: &'static [Key]) -> String {
    let mut text = String::from(
        "# The configuration of kpulse. Every key is here with its default; remove the # before those you change.\n\
         # A flag beats an environment variable, a variable beats this file. `kpulse config check FILE` tells whether\n\
         # a file is right. SIGHUP makes a daemon read it again; keys marked \"restart\" need a restart to change.\n",
    );
    let defaults = Config::of(keys);
    let mut table = "";
    for key in keys {
        let (group, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        if group != table {
            text.push_str(&format!("\n[{group}]\n"));
            table = group;
        }
        let restart = if key.reload { "" } else { "; restart" };
        text.push_str(&format!(
            "\n# {}.\n# {}{restart}; --{}, {}\n#{name} = {}\n",
            capitalised(key.help),
            capitalised(&key.expects()),
            key.flag(),
            key.env(),
            key.toml(&defaults)
        ));
    }
    text
}

/// The text with its first letter in upper case.
pub fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{
        super::{Given, KEYS, SERVER_KEYS, Sources, file, key::tests::other_value, load},
        *,
    };

    #[test]
    fn what_is_shown_is_valid_and_reads_back_as_the_same() {
        for (keys, changed) in [(KEYS, false), (KEYS, true), (SERVER_KEYS, false), (SERVER_KEYS, true)] {
            let mut loaded = load(&Sources { keys, ..Sources::default() }).unwrap();
            if changed {
                for key in keys {
                    key.set(&mut loaded.config, Given::Text(other_value(key))).unwrap();
                    // A path may contain what would end a comment.
                    let origin = Origin::File { path: "a\nb = 1\n".into(), line: 3 };
                    loaded.origin.insert(key.name, origin);
                }
            }
            let text = show(&loaded);
            let mut config = Config::of(keys);
            let contents = file::parse(Path::new("shown"), text.as_bytes(), keys, &mut config);
            assert_eq!(contents.problems, []);
            assert_eq!(contents.keys.len(), keys.len());
            assert_eq!(text.lines().count(), keys.len());
            assert_eq!(config, loaded.config);
        }
    }

    #[test]
    fn the_comments_stand_in_one_column() {
        let text = show(&load(&Sources::default()).unwrap());
        let columns: std::collections::BTreeSet<_> = text.lines().map(|line| line.rfind("# ")).collect();
        assert_eq!(columns.len(), 1, "{text}");
    }

    #[test]
    fn the_default_file_gives_nothing_and_without_its_comment_signs_every_default() {
        for keys in [KEYS, SERVER_KEYS] {
            gives_nothing_or_every_default(keys);
        }
    }

    fn gives_nothing_or_every_default(keys: &'static [Key]) {
        let text = default_file(keys);
        let mut config = Config::of(keys);
        let contents = file::parse(Path::new("default"), text.as_bytes(), keys, &mut config);
        assert_eq!((contents.problems, contents.keys.len()), (vec![], 0));
        let bare: String = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if !key.starts_with(' ') => format!("{key}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let contents = file::parse(Path::new("default"), bare.as_bytes(), keys, &mut config);
        assert_eq!((contents.problems, contents.keys.len()), (vec![], keys.len()));
        assert_eq!(config, Config::of(keys));
    }
}
