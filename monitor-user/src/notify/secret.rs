//! Secrets: from files, read anew for each request so that they can be rotated, and into one header. They are never in a
//! flag, a URL, a message or the log.

use std::{fmt, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::HeaderValue;

use super::settings::Auth;

/// The longest secret, in bytes.
const LONGEST: u64 = 64 << 10;

/// The header that says who we are, with what must never be shown.
pub struct Authorization {
    /// The header's value.
    pub value: HeaderValue,
    secrets: Vec<String>,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(***)")
    }
}

impl Auth {
    /// Reads the secret; none if there is no way to say who we are.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or holds no secret, with the file's name and nothing of what is in it.
    pub fn read(&self) -> Result<Option<Authorization>, String> {
        let (scheme, credential, secret) = if let Some(path) = &self.token_file {
            let token = read(path)?;
            ("Bearer", token.clone(), token)
        } else if let Some(path) = &self.api_key_file {
            let key = read(path)?;
            ("ApiKey", key.clone(), key)
        } else if let (Some(user), Some(path)) = (&self.username, &self.password_file) {
            let password = read(path)?;
            ("Basic", STANDARD.encode(format!("{user}:{password}")), password)
        } else {
            return Ok(None);
        };
        let mut value = HeaderValue::try_from(format!("{scheme} {credential}")).map_err(|_| {
            "the secret holds a character that no header may hold: it must be one line of text".to_owned()
        })?;
        value.set_sensitive(true);
        Ok(Some(Authorization { value, secrets: vec![credential, secret] }))
    }
}

impl Authorization {
    /// The text without the secrets: a server may send back what it was sent.
    pub fn redact(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }
}

/// The content of a file without the line's end.
fn read(path: &Path) -> Result<String, String> {
    let wrong = |why: &dyn fmt::Display| format!("{}: {why}", path.display());
    let file = fs::metadata(path).map_err(|error| wrong(&error))?;
    if !file.is_file() || file.len() > LONGEST {
        return Err(wrong(&"a secret is a file of at most 64 KiB"));
    }
    let bytes = fs::read(path).map_err(|error| wrong(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong(&"a secret is text, and this is not UTF-8"))?;
    match text.trim() {
        "" => Err(wrong(&"the file is empty: a secret is expected")),
        secret => Ok(secret.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::Folder;

    #[test]
    fn a_secret_is_read_anew_and_never_shown() {
        let folder = Folder::new();
        let file = folder.path().join("secret");
        let token = Auth { token_file: Some(file.clone()), ..Auth::default() };
        let basic = Auth { username: Some("Aladdin".into()), password_file: Some(file.clone()), ..Auth::default() };
        let key = Auth { api_key_file: Some(file.clone()), ..Auth::default() };
        let value = |auth: &Auth| auth.read().unwrap().unwrap().value.to_str().unwrap().to_owned();
        fs::write(&file, "open sesame\n").unwrap();
        assert_eq!(value(&token), "Bearer open sesame");
        assert_eq!(value(&key), "ApiKey open sesame");
        // The example of RFC 7617.
        assert_eq!(value(&basic), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let read = basic.read().unwrap().unwrap();
        assert!(!format!("{read:?} {:?}", read.value).contains("sesame"));
        assert_eq!(read.redact("<open sesame> QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "<***> ***");
        fs::write(&file, "rotated").unwrap();
        assert_eq!(value(&token), "Bearer rotated");
        assert!(Auth::default().read().unwrap().is_none());
    }

    #[test]
    fn a_file_without_a_secret_is_named_and_not_shown() {
        let folder = Folder::new();
        let file = folder.path().join("secret");
        let auth = Auth { token_file: Some(file.clone()), ..Auth::default() };
        for content in [&b""[..], b" \n", b"two\nlines", b"\xff\xfe", b"nul\0"] {
            fs::write(&file, content).unwrap();
            let error = auth.read().unwrap_err();
            assert!(!error.contains("two") && !error.contains("nul"), "{error}");
        }
        for path in [folder.path().join("none"), folder.path().into(), "/dev/zero".into()] {
            let error = Auth { token_file: Some(path.clone()), ..Auth::default() }.read().unwrap_err();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}
