//! How far long work is: one line on standard error, for whoever looks at a terminal, and gone when it has ended.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::domain::text::printable;

/// How often it shows that it lives.
const TICK: Duration = Duration::from_millis(120);

/// A bar where it is known how much there is, else the time that went by.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Begins; nothing is shown unless standard error is a terminal.
    pub(super) fn begin(what: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let progress = Self(bar);
        progress.styled("{spinner} {elapsed} {wide_msg}");
        progress.say(what);
        progress.0.enable_steady_tick(TICK);
        progress
    }

    /// What is being done.
    pub(super) fn say(&self, what: &str) {
        self.0.set_message(printable(what));
    }

    /// How much of it is done.
    pub(super) fn at(&self, done: u64, of: u64, what: &str) {
        if self.0.length() != Some(of) && of > 0 {
            self.0.set_length(of);
            self.styled("[{bar:24}] {pos} of {len}, {elapsed} {wide_msg}");
        }
        self.0.set_position(done);
        self.say(what);
    }

    /// It has ended; nothing of it stays.
    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }

    fn styled(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style.progress_chars("=> "));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
