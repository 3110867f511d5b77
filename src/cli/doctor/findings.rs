//! What the doctor found, in the order in which it looked.

use serde_json::{Value, json};

use crate::cli::progress::Progress;
use crate::cli::screen::{Hue, Screen, Words};
use crate::cli::table::{Fit, Table};

/// How a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Ok,
    Note,
    Wrong,
}

impl Mark {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Wrong => "WRONG",
        }
    }

    fn hue(self) -> Hue {
        match self {
            Self::Ok => Hue::Good,
            Self::Note => Hue::Look,
            Self::Wrong => Hue::Bad,
        }
    }
}

/// What the checks found.
#[derive(Debug)]
pub(super) struct Findings {
    said: Vec<(Mark, String, String)>,
    progress: Progress,
}

impl Findings {
    pub(super) fn begin() -> Self {
        Self { said: Vec::new(), progress: Progress::begin("checking") }
    }

    /// Nothing more is looked at.
    pub(super) fn end(&self) {
        self.progress.end();
    }

    pub(super) fn good(&mut self, about: &str, text: &str) {
        self.say(Mark::Ok, about, text);
    }

    pub(super) fn note(&mut self, about: &str, text: &str) {
        self.say(Mark::Note, about, text);
    }

    pub(super) fn wrong(&mut self, about: &str, text: &str) {
        self.say(Mark::Wrong, about, text);
    }

    fn say(&mut self, mark: Mark, about: &str, text: &str) {
        self.progress.say(about);
        self.said.push((mark, about.to_owned(), text.to_owned()));
    }

    pub(super) fn wrongs(&self) -> usize {
        self.said.iter().filter(|(mark, ..)| *mark == Mark::Wrong).count()
    }

    pub(super) fn json(&self) -> Value {
        let findings = self.said.iter().map(|(mark, about, sentence)| {
            json!({ "mark": mark.as_str().to_ascii_lowercase(), "about": about, "sentence": sentence })
        });
        json!({ "findings": findings.collect::<Vec<_>>(), "wrong": self.wrongs() })
    }

    pub(super) fn tell(&self, screen: &mut Screen) {
        let mut table = Table::new(&[("", Fit::Whole), ("about", Fit::Whole), ("found", Fit::Sentence)]);
        for (mark, about, text) in &self.said {
            table.row([mark.hue().of(mark.as_str()), Words::from(about), Words::from(text)]);
        }
        screen.table(&table);
        screen.blank();
        screen.line(match self.wrongs() {
            0 => Hue::Good.of(format!("{} checks, nothing is wrong.", self.said.len())),
            1 => Hue::Bad.of("One thing to correct."),
            wrong => Hue::Bad.of(format!("{wrong} things to correct.")),
        });
    }
}
