//! Dates of the accounting interface, which have no declared format.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::domain::sweep::Closing;
use crate::domain::text::shorten;

/// How far the clocks of the world are ahead of UTC at most: the farthest that a local time without a
/// zone can lie before the same digits in UTC.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(14);
/// How far they are behind it at most.
const BEHIND_MAX: SignedDuration = SignedDuration::from_hours(12);

/// The civil date as written: `2026-11-30`, `2026-11-30T00:00:00`, `2026-11-30T00:00:00Z`, `11/30/2026`.
///
/// The zone is ignored on purpose: ConnectWise writes dates as midnight UTC, and converting them would
/// move invoices to the day before.
pub(super) fn civil(text: &str) -> Option<Date> {
    let day = text.trim().split(['T', 't', ' ']).next().unwrap_or_default();
    day.parse().ok().or_else(|| american(day))
}

/// The earliest instant that `text` may mean.
///
/// With a zone it is exact, but at midnight, which is how ConnectWise writes days; else up to 14 hours
/// are taken off, and for a day without a time from its start.
pub(super) fn earliest(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let exact = text.parse::<Timestamp>().ok();
    if exact.is_some() && text.get(11..19) != Some("00:00:00") {
        return exact;
    }
    let day = || civil(text).map(|date| date.to_datetime(Time::midnight()));
    let local = text.parse::<DateTime>().ok().or_else(day)?;
    TimeZone::UTC.to_timestamp(local).ok()?.checked_sub(AHEAD_MAX).ok()
}

/// When a row was closed, as far as its text says.
pub(super) fn closing(text: &str) -> Closing {
    Closing { text: shorten(text.trim(), 40), earliest: earliest(text), latest: latest(text) }
}

/// The latest instant that `text` may mean: exact as in [`earliest`], else up to 12 hours later, and for a day
/// without a time at its end.
fn latest(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let exact = text.parse::<Timestamp>().ok();
    if exact.is_some() && text.get(11..19) != Some("00:00:00") {
        return exact;
    }
    let timed = text.parse::<DateTime>().ok().filter(|local| local.time() != Time::midnight());
    let end = || civil(text)?.tomorrow().ok().map(|date| date.to_datetime(Time::midnight()));
    let local = timed.or_else(end)?;
    TimeZone::UTC.to_timestamp(local).ok()?.checked_add(BEHIND_MAX).ok()
}

/// `month/day/year`, as servers with American settings write it.
fn american(text: &str) -> Option<Date> {
    let mut parts = text.split('/');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_date_shifts() {
        for text in [
            "2026-11-30",
            "2026-11-30T00:00:00",
            "2026-11-30T00:00:00Z",
            "2026-11-30T00:00:00+11:00",
            " 2026-11-30 00:00:00 ",
            "11/30/2026",
            "11/30/2026 12:00:00 AM",
        ] {
            assert_eq!(civil(text), Some(jiff::civil::date(2026, 11, 30)), "{text}");
        }
        for text in ["", "30/11/2026", "2026-13-01", "soon", "11/30/26", "1/2/3/2026"] {
            assert_eq!(civil(text), None, "{text}");
        }
    }

    #[test]
    fn the_earliest_reading_of_an_instant() {
        for (text, instant) in [
            ("2026-11-30T10:00:00Z", "2026-11-30T10:00:00Z"),
            ("2026-11-30T10:00:00.5+02:00", "2026-11-30T08:00:00.5Z"),
            ("2026-11-30T10:00:00", "2026-11-29T20:00:00Z"),
            ("2026-11-30 10:00:00", "2026-11-29T20:00:00Z"),
            ("2026-11-30", "2026-11-29T10:00:00Z"),
            ("2026-11-30T00:00:00Z", "2026-11-29T10:00:00Z"),
            ("11/30/2026 10:00:00 AM", "2026-11-29T10:00:00Z"),
        ] {
            assert_eq!(earliest(text), Some(instant.parse().unwrap()), "{text}");
        }
        assert_eq!((earliest(""), earliest("soon")), (None, None));
    }

    #[test]
    fn the_latest_reading_of_an_instant() {
        for (text, instant) in [
            ("2026-11-30T10:00:00Z", "2026-11-30T10:00:00Z"),
            ("2026-11-30T10:00:00", "2026-11-30T22:00:00Z"),
            ("2026-11-30", "2026-12-01T12:00:00Z"),
            ("2026-11-30T00:00:00Z", "2026-12-01T12:00:00Z"),
            ("11/30/2026 10:00:00 AM", "2026-12-01T12:00:00Z"),
        ] {
            assert_eq!(latest(text), Some(instant.parse().unwrap()), "{text}");
            assert!(earliest(text) <= latest(text), "{text}");
        }
        assert_eq!((latest(""), latest("soon")), (None, None));
    }
}
