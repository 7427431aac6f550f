//! Text as HTML: whatever comes from outside is made harmless here.

use std::fmt::{self, Display, Write as _};

/// Text from outside, such as the name of a task: no character of it is markup or moves the text around it.
pub struct Text<'a>(pub &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            // Marks of writing direction could make one name look like another.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_char('\u{fffd}'),
            c if c.is_control() => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}

/// Text from outside as one part of an address' path: whatever it is, it stays one part.
pub struct Link<'a>(pub &'a str);

impl Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => f.write_char(char::from(byte)),
            byte => write!(f, "%{byte:02X}"),
        })
    }
}

/// A figure that may be absent: a dash then.
pub fn or_dash<T>(value: Option<T>, print: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "–".into(), print)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_is_markup_or_hidden() {
        let text = Text("<b>x & \"y\" 'z'\u{1b}[31m\u{202e}ä").to_string();
        assert_eq!(Link("a/b?<c> d\u{e4}-1.x").to_string(), "a%2Fb%3F%3Cc%3E%20d%C3%A4-1.x");
        assert_eq!(text, "&lt;b&gt;x &amp; &quot;y&quot; &#39;z&#39;\u{fffd}[31m\u{fffd}ä");
    }
}
