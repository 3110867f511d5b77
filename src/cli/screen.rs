//! What people are shown: lines that fit the terminal, and colours on a terminal only. What is piped is never cut, so
//! that `grep` finds the whole of it. Data goes to standard output, what to do next to standard error.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthChar;

use super::print;
use super::table::Table;
use crate::domain::text::printable;

/// The narrowest terminal that lines are made for.
const WIDTH_MIN: usize = 40;
/// By how much the rest of a line that is too long is moved to the right.
const HANGING: usize = 2;

/// What a piece of text means; its colour follows from that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hue {
    #[default]
    Plain,
    /// A heading.
    Strong,
    /// As it should be.
    Good,
    /// A person should look.
    Look,
    /// A person has to act.
    Bad,
    /// What helps, and what matters less.
    Faint,
}

impl Hue {
    /// The text in this hue.
    pub(super) fn of(self, text: impl AsRef<str>) -> Words {
        Words::default().and(self, text)
    }

    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Look => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Faint => Style::new().dimmed(),
        }
    }
}

/// Text of which every letter has a hue. Nothing in it steers a terminal: it comes from client names and error texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(Vec<(char, Hue)>);

impl Words {
    /// The same with more text behind it.
    pub(super) fn and(mut self, hue: Hue, text: impl AsRef<str>) -> Self {
        self.0.extend(printable(text.as_ref()).chars().map(|letter| (letter, hue)));
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Columns of a terminal.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(letter, _)| letter.width().unwrap_or_default()).sum()
    }

    /// At most this wide, with `…` for what was cut.
    pub(super) fn shortened(&self, width_max: usize) -> Self {
        if self.width() <= width_max {
            return self.clone();
        }
        let (mut kept, mut width) = (Self::default(), 1_usize);
        for (letter, hue) in &self.0 {
            width = width.saturating_add(letter.width().unwrap_or_default());
            if width > width_max {
                break;
            }
            kept.0.push((*letter, *hue));
        }
        kept.and(Hue::Plain, "…")
    }

    /// In lines of at most this width. A word that is longer, such as a link or a key, stays whole.
    pub(super) fn wrapped(&self, width_max: usize) -> Vec<Self> {
        let (mut lines, mut line, mut first) = (Vec::new(), Self::default(), true);
        for word in self.0.split(|(letter, _)| *letter == ' ') {
            let word = Self(word.to_vec());
            let joined = line.width().saturating_add(1).saturating_add(word.width());
            if !line.is_empty() && joined > width_max {
                lines.push(std::mem::take(&mut line));
            } else if !first {
                let hue = word.0.first().map(|(_, hue)| *hue);
                let hue = hue.filter(|hue| line.0.last().is_some_and(|(_, last)| last == hue));
                line.0.push((' ', hue.unwrap_or_default()));
            }
            line.0.extend(word.0);
            first = false;
        }
        lines.push(line);
        lines
    }

    /// The same behind this many spaces.
    pub(super) fn moved(self, spaces: usize) -> Self {
        let mut moved = Self(vec![(' ', Hue::Plain); spaces]);
        moved.0.extend(self.0);
        moved
    }

    /// The same with what follows it.
    pub(super) fn then(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// As it is written, without spaces at its end.
    fn text(&self, colour: bool) -> String {
        let end = self.0.iter().rposition(|(letter, _)| *letter != ' ').map_or(0, |last| last.saturating_add(1));
        let mut text = String::new();
        for run in self.0.get(..end).unwrap_or_default().chunk_by(|(_, one), (_, other)| one == other) {
            let style = run.first().map(|(_, hue)| hue.style()).filter(|_| colour).unwrap_or_default();
            let letters: String = run.iter().map(|(letter, _)| letter).collect();
            // Writing to a string cannot fail.
            let _ = write!(text, "{style}{letters}{style:#}");
        }
        text
    }
}

impl<Text: AsRef<str>> From<Text> for Words {
    fn from(text: Text) -> Self {
        Hue::Plain.of(text)
    }
}

/// What a command shows, made for one width.
#[derive(Debug)]
pub(super) struct Screen {
    width: Option<usize>,
    colour: bool,
    lines: Vec<Words>,
    /// What to do next.
    next: Vec<Words>,
}

impl Screen {
    /// A screen of this width; without one nothing is wrapped or shortened.
    pub(super) fn new(width: Option<usize>, colour: bool) -> Self {
        let width = width.filter(|width| *width > 0).map(|width| width.max(WIDTH_MIN));
        Self { width, colour, lines: Vec::new(), next: Vec::new() }
    }

    /// A screen for standard output as it is: a terminal, a pipe or a file.
    pub(super) fn here() -> Self {
        Self::new(print::size().map(|(width, _)| width), print::coloured(&std::io::stdout()))
    }

    /// One line, and what does not fit below it.
    pub(super) fn line(&mut self, words: impl Into<Words>) {
        self.indented(0, words);
    }

    /// One line that begins further to the right.
    pub(super) fn indented(&mut self, spaces: usize, words: impl Into<Words>) {
        let words = words.into();
        let Some(width) = self.width else { return self.lines.push(words.moved(spaces)) };
        let rest = spaces.saturating_add(HANGING);
        let width = width.saturating_sub(rest);
        for (place, line) in words.wrapped(width).into_iter().enumerate() {
            self.lines.push(line.moved(if place == 0 { spaces } else { rest }));
        }
    }

    /// One line letter by letter, such as a body that was sent: it is not made to fit.
    pub(super) fn letters(&mut self, spaces: usize, words: impl Into<Words>) {
        self.lines.push(words.into().moved(spaces));
    }

    /// An empty line.
    pub(super) fn blank(&mut self) {
        self.lines.push(Words::default());
    }

    /// A table; nothing where it has no rows.
    pub(super) fn table(&mut self, table: &Table) {
        self.lines.extend(table.lines(self.width));
    }

    /// What to do next, for people: it does not go to standard output.
    pub(super) fn next(&mut self, words: impl AsRef<str>) {
        self.next.push(Hue::Faint.of(words));
    }

    /// What goes to standard output.
    pub(super) fn text(&self) -> String {
        self.lines.iter().map(|line| line.text(self.colour) + "\n").collect()
    }

    /// All of it in lines, with what to do next, for a screen that is drawn anew.
    pub(super) fn drawn(&self) -> Vec<String> {
        self.lines.iter().chain(&self.next).map(|line| line.text(self.colour)).collect()
    }

    /// Prints it.
    pub(super) fn show(&self) {
        print::text(&self.text());
        let coloured = print::coloured(&std::io::stderr());
        self.next.iter().for_each(|line| print::hint(&line.text(coloured)));
    }
}

/// An instant as people read it.
pub(super) fn time(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}
