//! Lines that know their width, colours, and names made harmless.
//!
//! In: pieces of text with a tone. Out: lines that are never wider than the page, whatever the pieces hold.

/// What a piece of text is to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A figure.
    Plain,
    /// A label.
    Dim,
    /// A heading.
    Bold,
    /// Worth a look.
    Warn,
    /// Worth getting up for.
    Bad,
}

impl Tone {
    /// [`Tone::Warn`] from the first threshold on, [`Tone::Bad`] from the second.
    pub fn of(value: f64, warn: f64, bad: f64) -> Self {
        match value {
            _ if value >= bad => Self::Bad,
            _ if value >= warn => Self::Warn,
            _ => Self::Plain,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "\x1b[2m",
            Self::Bold => "\x1b[1m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
        }
    }
}

/// The lines so far.
pub struct Page {
    color: bool,
    /// In characters.
    pub width: usize,
    out: String,
    gap: bool,
}

impl Page {
    pub fn new(color: bool, width: usize) -> Self {
        Self { color, width, out: String::new(), gap: false }
    }

    /// A new line, to be given to [`Page::add`].
    pub fn line(&self) -> Line {
        Line { color: self.color, width: self.width, used: 0, out: String::new(), items: 0 }
    }

    pub fn add(&mut self, line: Line) {
        if std::mem::take(&mut self.gap) {
            self.out.push('\n');
        }
        self.out.push_str(line.out.trim_end_matches(' '));
        self.out.push('\n');
    }

    /// An empty line before the next one, if there is one.
    pub fn blank(&mut self) {
        self.gap = true;
    }

    pub fn finish(self) -> String {
        self.out
    }
}

/// One line. What does not fit is left out.
pub struct Line {
    color: bool,
    width: usize,
    used: usize,
    out: String,
    items: usize,
}

impl Line {
    /// How many characters still fit.
    pub fn room(&self) -> usize {
        self.width - self.used
    }

    /// Appends as much of the text as fits.
    pub fn push(&mut self, tone: Tone, text: &str) {
        let text: String = text.chars().take(self.room()).collect();
        self.used += text.chars().count();
        if self.color && tone != Tone::Plain && !text.trim().is_empty() {
            // Colour begins at the first letter, so that a padded cell is coloured no further than it is written.
            let start = text.len() - text.trim_start().len();
            let (blank, text) = text.split_at(start);
            let written = text.trim_end();
            let rest = &text[written.len()..];
            self.out.extend([blank, tone.code(), written, "\x1b[0m", rest]);
        } else {
            self.out.push_str(&text);
        }
    }

    /// Appends a cell of the given width, aligned right, with at least one space before it.
    pub fn cell(&mut self, tone: Tone, text: &str, width: usize) {
        self.push(tone, &format!(" {text:>0$}", width - 1));
    }

    /// Appends the pieces, apart from the last item, if they fit together. Returns whether they did.
    pub fn item(&mut self, pieces: &[(Tone, &str)]) -> bool {
        let gap = if self.used == 0 || self.items == 0 && self.out.ends_with(' ') { "" } else { "   " };
        let length = gap.len() + pieces.iter().map(|(_, text)| text.chars().count()).sum::<usize>();
        if self.used == self.width || length > self.room() {
            return false;
        }
        self.push(Tone::Plain, gap);
        pieces.iter().for_each(|(tone, text)| self.push(*tone, text));
        self.items += 1;
        true
    }

    /// Appends the text at the page's right edge, if it fits.
    pub fn push_right(&mut self, tone: Tone, text: &str) {
        let length = text.chars().count();
        if length < self.room() {
            self.push(Tone::Plain, &" ".repeat(self.room() - length));
            self.push(tone, text);
        }
    }
}

/// A name as it may be printed: what would move the cursor, change the colour or hide letters is written out, and what
/// is longer than `width` is cut.
pub fn fit(name: &str, width: usize) -> String {
    let mut safe = String::new();
    for c in name.chars() {
        let hidden = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || hidden {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    if safe.trim().is_empty() {
        safe = "(no name)".into();
    }
    if safe.chars().count() > width {
        safe = safe.chars().take(width.saturating_sub(1)).chain(['…']).collect();
    }
    safe
}

/// A share of a whole as a bar of the given width, in eighths of a character.
pub fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let full = eighths / 8;
    let mut out: String = "█".repeat(full);
    if full < width {
        out.push(EIGHTHS[eighths % 8]);
    }
    out.extend(std::iter::repeat_n('·', width.saturating_sub(full + 1)));
    out
}
