//! Xero's limits: per minute and per day in fixed windows, and calls at the same time.

use jiff::Timestamp;

use super::operator::Settings;
use super::wire::Reply;

const MINUTE_S: i64 = 60;
const DAY_S: i64 = 86_400;
/// Calls per minute of all tenants of one app.
const APP_MINUTE_MAX: u32 = 10_000;

/// How much of each window is used; the windows began with the simulator.
#[derive(Debug)]
pub(super) struct Limits {
    began: Timestamp,
    minute: Window,
    day: Window,
    in_progress: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    index: i64,
    used: u32,
}

impl Limits {
    pub(super) fn new(began: Timestamp) -> Self {
        Self { began, minute: Window::default(), day: Window::default(), in_progress: 0 }
    }

    /// Counts a call in, or answers with the empty 429 of the limit that it broke.
    pub(super) fn enter(&mut self, settings: &Settings, now: Timestamp) -> Result<(), Reply> {
        self.turn(now);
        let broken = if self.in_progress >= settings.concurrent_limit {
            Some(("concurrent", None))
        } else if self.day.used >= settings.day_limit {
            Some(("day", Some(self.left(now, DAY_S))))
        } else if self.minute.used >= settings.minute_limit {
            Some(("minute", Some(self.left(now, MINUTE_S))))
        } else {
            None
        };
        let Some((name, retry_after)) = broken else {
            self.in_progress = self.in_progress.saturating_add(1);
            self.minute.used = self.minute.used.saturating_add(1);
            self.day.used = self.day.used.saturating_add(1);
            return Ok(());
        };
        let reply = Reply { status: 429, content_type: None, headers: Vec::new(), body: String::new() };
        let reply = self.stamp(settings, reply).header("x-rate-limit-problem", name);
        Err(match retry_after {
            Some(seconds) => reply.header("retry-after", &seconds.to_string()),
            None => reply,
        })
    }

    pub(super) fn leave(&mut self) {
        self.in_progress = self.in_progress.saturating_sub(1);
    }

    /// Adds what remains of the limits.
    pub(super) fn stamp(&self, settings: &Settings, reply: Reply) -> Reply {
        let left = |limit: u32, used: u32| limit.saturating_sub(used).to_string();
        reply
            .header("x-daylimit-remaining", &left(settings.day_limit, self.day.used))
            .header("x-minlimit-remaining", &left(settings.minute_limit, self.minute.used))
            .header("x-appminlimit-remaining", &left(APP_MINUTE_MAX, self.minute.used))
    }

    pub(super) fn set_day_remaining(&mut self, settings: &Settings, remaining: u32, now: Timestamp) {
        self.turn(now);
        self.day.used = settings.day_limit.saturating_sub(remaining);
    }

    fn turn(&mut self, now: Timestamp) {
        let age = now.duration_since(self.began).as_secs();
        for (window, length) in [(&mut self.minute, MINUTE_S), (&mut self.day, DAY_S)] {
            let index = age.div_euclid(length);
            if index != window.index {
                *window = Window { index, used: 0 };
            }
        }
    }

    /// Seconds until the window of this length ends.
    fn left(&self, now: Timestamp, length: i64) -> i64 {
        length.saturating_sub(now.duration_since(self.began).as_secs().rem_euclid(length))
    }
}
