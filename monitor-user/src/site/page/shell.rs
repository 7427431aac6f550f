//! What stands around every page: head, navigation, the note that the figures are old, and the style.

use std::fmt::{self, Write as _};

use super::markup::Text;
use crate::expose::page::STYLE;

/// The few lines that renew a page.
pub const SCRIPT: &str = include_str!("live.js");
/// What a browser shows beside the title.
pub const ICON: &str = include_str!("icon.svg");
const MORE_STYLE: &str = include_str!("style.css");

/// The style sheet: the agent's, and what only the fleet's pages have.
pub fn style() -> String {
    format!("{STYLE}\n{MORE_STYLE}")
}

/// Where a page stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    Fleet,
    Alerts,
    Elsewhere,
}

/// A page without its main part.
pub struct Shell<'a> {
    /// Its title, after the name of the program.
    pub title: &'a str,
    /// Where it stands.
    pub here: Here,
    /// Alerts that fire, for the navigation.
    pub firing: usize,
    /// Whether it changes by itself.
    pub live: bool,
}

impl Shell<'_> {
    /// Everything before the main part's first heading.
    ///
    /// # Errors
    ///
    /// Never: writing into a string cannot fail.
    pub fn begin(&self, out: &mut String) -> fmt::Result {
        let live = if self.live {
            "<noscript><meta http-equiv=refresh content=30></noscript><script src=\"/static/live.js\" defer></script>"
        } else {
            ""
        };
        write!(
            out,
            "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width, \
             initial-scale=1\"><title>{}</title><link rel=stylesheet href=\"/static/style.css\"><link rel=icon \
             href=\"/static/icon.svg\">{live}</head><body><a class=skip href=\"#main\">To the content</a><header><a \
             class=brand href=\"/\">kpulse</a><nav aria-label=Pages>",
            Text(self.title)
        )?;
        let current = |here| if self.here == here { " aria-current=page" } else { "" };
        write!(out, "<a href=\"/\"{}>Fleet</a>", current(Here::Fleet))?;
        write!(out, "<a href=\"/alerts\"{}>Alerts", current(Here::Alerts))?;
        if self.firing > 0 {
            write!(out, " <span class=badge>{}<span class=unseen> firing</span></span>", self.firing)?;
        }
        out.push_str(
            "</a><a href=\"/api/v1/openapi.json\">API</a></nav></header><p id=stale class=alarm role=status hidden>The server \
             does not answer: these figures are old.</p><main id=main tabindex=-1>",
        );
        Ok(())
    }

    /// Everything behind the main part.
    pub fn end(&self, out: &mut String) {
        out.push_str("</main></body></html>\n");
    }
}

/// A page that says why there is none.
pub fn sorry(title: &str, why: &str) -> String {
    let mut out = String::new();
    let shell = Shell { title: &format!("kpulse: {title}"), here: Here::Elsewhere, firing: 0, live: false };
    // Writing into a string cannot fail.
    let _ = shell.begin(&mut out);
    let _ = write!(out, "<h1>{}</h1><p>{}<p><a href=\"/\">To the fleet</a>", Text(title), Text(why));
    shell.end(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `#1c2024` as the brightness that the eye sees (WCAG 2.1, relative luminance).
    fn luminance(colour: &str) -> f64 {
        let full: String = match colour.len() {
            4 => colour[1..].chars().flat_map(|c| [c, c]).collect(),
            _ => colour[1..].to_owned(),
        };
        let part = |i: usize| {
            let c = f64::from(u8::from_str_radix(&full[i..i + 2], 16).unwrap()) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_colour_can_be_read_on_its_ground_by_day_and_by_night() {
        let style = style();
        for dark in [false, true] {
            let mut colours = std::collections::BTreeMap::new();
            // The rules for dark come after those for light.
            let rules = style.lines().filter(|line| line.contains(":root {"));
            for line in rules.filter(|line| dark || !line.contains("dark)")) {
                for (name, value) in line.split(['{', ';', '}']).filter_map(|part| part.trim().split_once(": ")) {
                    colours.insert(name.to_owned(), value.to_owned());
                }
            }
            let of = |name: &str| colours[name].as_str();
            for ground in ["--back", "--tile"] {
                for text in ["--text", "--dim", "--link", "--bad", "--warn", "--good"] {
                    let contrast = contrast(of(text), of(ground));
                    assert!(contrast >= 4.5, "{text} on {ground}, dark {dark}: {contrast:.2}");
                }
                for line in ["--p", "--f", "--s", "--heat"] {
                    let contrast = contrast(of(line), of(ground));
                    assert!(contrast >= 3.0, "{line} on {ground}, dark {dark}: {contrast:.2}");
                }
            }
        }
    }

    #[test]
    fn a_page_has_nothing_that_its_policy_forbids() {
        let html = sorry("no <such> node", "x\"y");
        for forbidden in ["<style", " style=", " onclick", "javascript:", "http://", "https://", "<such>", "x\"y"] {
            assert!(!html.contains(forbidden), "{forbidden} in {html}");
        }
        for forbidden in ["url(", "@import", "http"] {
            assert!(!style().contains(forbidden), "{forbidden}");
        }
    }
}
