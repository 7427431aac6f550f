//! Output for people and pipes: a reader that has gone away is no error.

use std::io::{self, Write};

use anyhow::{Context as _, Result};

/// Whoever read the output has gone, as `head` does. [`super::main`] ends quietly on it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub struct Closed;

/// Writes `text` to the standard output stream, at once.
///
/// # Errors
///
/// [`Closed`], for the caller to pass on; or why it could not be written, such as a full disk.
pub fn print(text: &str) -> Result<()> {
    print_to(&mut io::stdout().lock(), text)
}

fn print_to(output: &mut impl Write, text: &str) -> Result<()> {
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        result => result.context("the output cannot be written"),
    }
}
