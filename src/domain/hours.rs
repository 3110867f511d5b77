//! Business hours: how long somebody has worked between two instants.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::record::ConnectionId;

/// Days that are counted at most; whatever is longer ago is long enough for everybody.
const DAYS_MAX: usize = 400;
const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// From when to when somebody works, on which days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusinessHours {
    first: Weekday,
    last: Weekday,
    opens: Time,
    closes: Time,
}

impl Default for BusinessHours {
    fn default() -> Self {
        let (opens, closes) = (Time::constant(8, 0, 0, 0), Time::constant(18, 0, 0, 0));
        Self { first: Weekday::Monday, last: Weekday::Friday, opens, closes }
    }
}

impl fmt::Display for BusinessHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |day| DAYS.iter().find(|(_, known)| *known == day).map_or("", |(name, _)| name);
        let (opens, closes) = (self.opens.strftime("%H:%M"), self.closes.strftime("%H:%M"));
        write!(f, "{}-{} {opens}-{closes}", name(self.first), name(self.last))
    }
}

impl FromStr for BusinessHours {
    type Err = String;

    /// Days and times as in `Mon-Fri 08:00-18:00`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not like \"Mon-Fri 08:00-18:00\"");
        let day = |name: &str| {
            DAYS.iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name.trim()))
                .map(|(_, day)| *day)
                .ok_or_else(wrong)
        };
        let time = |text: &str| text.trim().parse::<Time>().map_err(|_| wrong());
        let (days, times) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let (opens, closes) = times.trim().split_once('-').ok_or_else(wrong)?;
        let hours = Self { first: day(first)?, last: day(last)?, opens: time(opens)?, closes: time(closes)? };
        if hours.opens < hours.closes { Ok(hours) } else { Err(wrong()) }
    }
}

impl BusinessHours {
    fn includes(&self, day: Weekday) -> bool {
        let position = |day: Weekday| day.to_monday_zero_offset();
        let (first, last, day) = (position(self.first), position(self.last), position(day));
        if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
    }

    /// How much of the time from `since` to `until` lies in business hours of this zone. A day on which clocks are
    /// changed within them has an hour more or less.
    #[must_use]
    pub fn between(&self, since: Timestamp, until: Timestamp, zone: &TimeZone) -> SignedDuration {
        let mut sum = SignedDuration::ZERO;
        let days = zone.to_datetime(since).date().series(jiff::Span::new().days(1));
        let last = zone.to_datetime(until).date();
        for day in days.take(DAYS_MAX).take_while(|day| *day <= last).filter(|day| self.includes(day.weekday())) {
            let instant = |time: Time| zone.to_timestamp(day.to_datetime(time)).ok();
            let (Some(opens), Some(closes)) = (instant(self.opens), instant(self.closes)) else { continue };
            let worked = closes.min(until).duration_since(opens.max(since));
            sum = sum.saturating_add(worked.max(SignedDuration::ZERO));
        }
        sum
    }
}

/// When a connection counts as silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// After so many business hours without a callback; 0 = never.
    pub silent_hours: u32,
    /// The business hours.
    pub hours: BusinessHours,
    /// Of this time zone.
    pub zone: TimeZone,
}

impl Default for Listening {
    fn default() -> Self {
        Self { silent_hours: 8, hours: BusinessHours::default(), zone: TimeZone::UTC }
    }
}

impl Listening {
    /// What to say when no callback has come for too long: since `heard`, or since readypost has listened, `began`.
    #[must_use]
    pub fn silence(
        &self,
        connection: &ConnectionId,
        (heard, began): (Option<Timestamp>, Timestamp),
        now: Timestamp,
    ) -> Option<String> {
        let since = heard.unwrap_or(began);
        let quiet = self.hours.between(since, now, &self.zone);
        if self.silent_hours == 0 || quiet < SignedDuration::from_hours(i64::from(self.silent_hours)) {
            return None;
        }
        let hours = quiet.as_hours();
        let last = heard.map_or_else(
            || "none has come yet".to_owned(),
            |heard| format!("the last one came at {}", heard.strftime("%Y-%m-%d %H:%M UTC")),
        );
        Some(format!(
            "No callback of {connection} was accepted for {hours} business hours ({}, {}); {last}. Records are still found \
             by the sweep. Check that its callbacks are registered and switched on (`readypost callbacks check`), that \
             `public_url` leads here from the internet, and that nothing before readypost refuses them.",
            self.hours,
            self.zone.iana_name().unwrap_or("UTC"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn only_business_hours_are_counted() {
        // 2026-11-23 is a Monday.
        for (since, until, zone_name, minutes) in [
            ("2026-11-23T08:00:00Z", "2026-11-23T09:30:00Z", "UTC", 90),
            ("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", "UTC", 600),
            ("2026-11-23T19:00:00Z", "2026-11-24T07:00:00Z", "UTC", 0),
            // From Friday 17:00 over the weekend to Monday 09:00.
            ("2026-11-20T17:00:00Z", "2026-11-23T09:00:00Z", "UTC", 120),
            ("2026-11-21T00:00:00Z", "2026-11-22T23:59:00Z", "UTC", 0),
            ("2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z", "UTC", 3000),
            ("2026-11-24T00:00:00Z", "2026-11-23T00:00:00Z", "UTC", 0),
            // Sydney is 11 hours ahead in summer: 08:00 there is 21:00 of the day before.
            ("2026-11-22T20:00:00Z", "2026-11-22T22:00:00Z", "Australia/Sydney", 60),
            ("2026-06-21T21:00:00Z", "2026-06-21T23:00:00Z", "Australia/Sydney", 60),
            // Clocks change at night, outside of the hours: each day has ten of them.
            ("2026-03-27T00:00:00Z", "2026-03-31T00:00:00Z", "Europe/Berlin", 1200),
            ("2026-03-30T06:00:00Z", "2026-03-30T07:00:00Z", "Europe/Berlin", 60),
            ("2026-03-27T06:00:00Z", "2026-03-27T07:00:00Z", "Europe/Berlin", 0),
        ] {
            let hours = BusinessHours::default();
            let counted = hours.between(at(since), at(until), &zone(zone_name));
            assert_eq!(counted, SignedDuration::from_mins(minutes), "{since} {until} {zone_name}");
        }
    }

    #[test]
    fn a_day_with_a_changed_clock_has_an_hour_more_or_less() {
        let night: BusinessHours = "Sun-Sun 00:00-06:00".parse().unwrap();
        let berlin = zone("Europe/Berlin");
        let of = |day: &str| {
            night.between(
                at(&format!("{day}T20:00:00Z")),
                at(&format!("{day}T20:00:00Z")) + SignedDuration::from_hours(12),
                &berlin,
            )
        };
        assert_eq!(of("2026-03-28"), SignedDuration::from_hours(5));
        assert_eq!(of("2026-10-24"), SignedDuration::from_hours(7));
        assert_eq!(of("2026-10-31"), SignedDuration::from_hours(6));
    }

    #[test]
    fn hours_are_written_as_they_are_read() {
        for text in ["Mon-Fri 08:00-18:00", "Sun-Thu 09:30-17:00", "Fri-Mon 00:00-23:59"] {
            assert_eq!(text.parse::<BusinessHours>().unwrap().to_string(), text);
        }
        assert_eq!("mon-fri 8:00-18:00".parse::<BusinessHours>().is_ok(), "8:00".parse::<Time>().is_ok());
        for wrong in ["", "Mon-Fri", "Mon-Fri 18:00-08:00", "Mo-Fr 08:00-18:00", "Mon-Fri 08:00-25:00", "08:00-18:00"] {
            assert!(wrong.parse::<BusinessHours>().is_err(), "{wrong}");
        }
        // A week that begins on Sunday, and one that goes over its end.
        let sunday: BusinessHours = "Sun-Thu 08:00-18:00".parse().unwrap();
        assert!(
            sunday.includes(Weekday::Sunday) && sunday.includes(Weekday::Thursday) && !sunday.includes(Weekday::Friday)
        );
    }

    #[test]
    fn a_connection_is_silent_after_its_hours_and_not_before() {
        let acme: ConnectionId = "acme".parse().unwrap();
        let listening = Listening::default();
        let said =
            |heard: Option<&str>, began: &str, now: &str| listening.silence(&acme, (heard.map(at), at(began)), at(now));
        let began = "2026-11-23T08:00:00Z";
        assert_eq!(said(None, began, "2026-11-23T15:59:59Z"), None);
        let silent = said(None, began, "2026-11-23T16:00:00Z").unwrap();
        assert!(silent.contains("8 business hours (Mon-Fri 08:00-18:00, UTC); none has come yet"), "{silent}");
        assert_eq!(said(Some("2026-11-23T12:00:00Z"), began, "2026-11-24T09:59:00Z"), None);
        let silent = said(Some("2026-11-23T12:00:00Z"), began, "2026-11-24T10:00:00Z").unwrap();
        assert!(silent.contains("the last one came at 2026-11-23 12:00 UTC"), "{silent}");
        // A weekend says nothing.
        assert_eq!(said(Some("2026-11-20T17:00:00Z"), began, "2026-11-23T14:59:00Z"), None);
        let never = Listening { silent_hours: 0, ..Listening::default() };
        assert_eq!(never.silence(&acme, (None, at(began)), at("2027-11-23T16:00:00Z")), None);
    }
}
