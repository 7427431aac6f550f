//! The report as people read it: a mark, a name and what was found in each line; under what is not met, what is lost and
//! what to do. The sum is at the end, where the cursor is.

use std::fmt::{self, Write as _};

use super::report::{Group, Mark, Report, Requirement};

/// How it is printed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// The page's width in characters, at which lines are broken; none for lines as long as they are.
    pub width: Option<usize>,
    /// Every requirement in a line of its own, those of many of a kind, too.
    pub all: bool,
}

/// Before a mark.
const INDENT: usize = 2;
/// The longest mark, and the space behind it.
const MARK: usize = 10;
/// Names beyond this width push what was found to the right instead of all others.
const LONGEST_NAME: usize = 36;
/// Lines are broken at no less than this behind the names: broken smaller, nobody can read them.
const LEAST: usize = 20;

/// The page, with a line end at its end.
pub fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = write(&mut out, report, style);
    out
}

fn write(out: &mut String, report: &Report, style: Style) -> fmt::Result {
    let groups: Vec<_> = report.groups.iter().map(|group| (group, lines(group, style.all))).collect();
    let names = groups.iter().flat_map(|(_, lines)| lines).map(|line| line.name.chars().count());
    let column = names.filter(|width| *width <= LONGEST_NAME).max().unwrap_or(0);
    for (group, lines) in &groups {
        writeln!(out, "{}", painted(style, BOLD, &group.title))?;
        for line in lines {
            requirement(out, line, column, style)?;
        }
        out.push('\n');
    }
    let Report { ok, degraded, missing, .. } = report;
    let verdict = match report.mark {
        Mark::Ok => "kpulse has all that it needs",
        Mark::Degraded => "kpulse does all that it is for, with what is said above",
        Mark::Missing => "kpulse cannot do all that it is for",
    };
    let verdict = painted(style, color(report.mark), verdict);
    writeln!(out, "{verdict}: {missing} missing, {degraded} degraded, {ok} ok")?;
    // Causes stand before what they cause.
    let all = || report.groups.iter().flat_map(|group| group.requirements.iter().map(move |one| (group, one)));
    match all().find(|(_, one)| one.mark == Mark::Missing) {
        Some((group, first)) => writeln!(out, "Begin with {}: {}", group.title, words(&first.name).join(" ")),
        None => Ok(()),
    }
}

/// What is shown of a group: of many of a kind those that are not met, and how many are.
fn lines(group: &Group, all: bool) -> Vec<Requirement> {
    let folded = |requirement: &&Requirement| !all && requirement.one_of_many && requirement.mark == Mark::Ok;
    let count = group.requirements.iter().filter(folded).count();
    let mut lines: Vec<_> = group.requirements.iter().filter(|line| !folded(line)).cloned().collect();
    if count > 0 {
        lines.insert(0, Requirement::ok("fields", format!("{count} as needed (--all lists them)")));
    }
    lines
}

fn requirement(out: &mut String, line: &Requirement, column: usize, style: Style) -> fmt::Result {
    let mark = painted(style, color(line.mark), line.mark.word());
    let gap = MARK - line.mark.word().len();
    let name = words(&line.name).join(" ");
    write!(out, "{:INDENT$}{mark}{:gap$}{name:<column$}  ", "", "")?;
    let indent = INDENT + MARK + column.max(name.chars().count()) + 2;
    wrapped(out, &line.found, indent, style);
    for (label, text) in [("lost: ", &line.lost), ("do: ", &line.remedy)] {
        let Some(text) = text else { continue };
        let indent = INDENT + MARK;
        write!(out, "{:indent$}{}", "", painted(style, DIM, label))?;
        wrapped(out, text, indent + label.len(), style);
    }
    Ok(())
}

/// Writes words that begin at column `indent`, and the line's end. What is in backquotes is not broken: it is to be copied.
fn wrapped(out: &mut String, text: &str, indent: usize, style: Style) {
    let width = style.width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(LEAST));
    let mut used = 0;
    for word in words(text) {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(&word);
        used += length;
    }
    out.push('\n');
}

/// The words of a text, made harmless: a name from the machine may hold anything.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        quoted ^= c == '`';
        match words.last_mut() {
            _ if c == ' ' && !quoted => words.push(String::new()),
            Some(word) if c.is_control() => word.extend(c.escape_default()),
            Some(word) => word.push(c),
            None => {}
        }
    }
    words
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";

fn color(mark: Mark) -> &'static str {
    match mark {
        Mark::Ok => "\x1b[32m",
        Mark::Degraded => "\x1b[33m",
        Mark::Missing => "\x1b[1;31m",
    }
}

fn painted(style: Style, code: &str, text: &str) -> String {
    if style.color { format!("{code}{text}\x1b[0m") } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let field = |name: &str| Requirement { one_of_many: true, ..Requirement::ok(name, "at 8") };
        let lost = Requirement { one_of_many: true, ..Requirement::missing("a.c", "absent", "much", "build it") };
        let long = Requirement::degraded(
            "clock",
            "hpet",
            "the clock takes a microsecond",
            "`echo tsc > /sys/clock` or boot otherwise",
        );
        Report::new(vec![
            Group::new("kernel", "Kernel", vec![Requirement::ok("version", "6.1"), long]),
            Group::new("sched", "Scheduler", vec![field("a.b"), lost, field("a.d"), Requirement::ok("on", "\x1b[2J")]),
        ])
    }

    #[test]
    fn the_page_names_what_is_lost_and_folds_what_is_met() {
        let page = "\
Kernel
  ok        version  6.1
  degraded  clock    hpet
            lost: the clock takes a microsecond
            do: `echo tsc > /sys/clock` or boot otherwise

Scheduler
  ok        fields   2 as needed (--all lists them)
  missing   a.c      absent
            lost: much
            do: build it
  ok        on       \\u{1b}[2J

kpulse cannot do all that it is for: 1 missing, 1 degraded, 4 ok
Begin with Scheduler: a.c
";
        assert_eq!(render(&report(), Style::default()), page);
    }

    #[test]
    fn all_lists_what_is_folded() {
        let page = render(&report(), Style { all: true, ..Style::default() });
        assert!(page.contains("  ok        a.b      at 8\n") && !page.contains("fields"), "{page}");
    }

    #[test]
    fn lines_are_broken_between_words_but_never_inside_a_command() {
        let page = render(&report(), Style { width: Some(44), ..Style::default() });
        assert!(page.contains("lost: the clock takes a\n                  microsecond\n"), "{page}");
        assert!(page.contains("do: `echo tsc > /sys/clock` or\n                boot otherwise\n"), "{page}");
    }

    #[test]
    fn colour_changes_nothing_but_the_colour() {
        let painted = render(&report(), Style { color: true, ..Style::default() });
        let codes = [BOLD, DIM, color(Mark::Ok), color(Mark::Degraded), color(Mark::Missing), "\x1b[0m"];
        let bare = codes.iter().fold(painted.clone(), |page, code| page.replace(code, ""));
        assert_eq!(bare, render(&report(), Style::default()));
        assert_ne!(painted, bare);
    }
}
