//! What stands now that somebody should know of: the one list that the page, the API, the metrics and all channels of
//! alerts show.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::parts::{Company, Connection, Live};
use crate::domain::alert::{Alert, AlertKey, AlertKind};
use crate::domain::hold::HoldCode;
use crate::domain::record::ConnectionId;
use crate::domain::registration::Keeping;
use crate::domain::sweep::SweepStanding;
use crate::store::{Health, Incident, Overview};
use crate::xero::BudgetView;

/// How long Xero takes a refresh token that nobody uses.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(60 * 24);
/// Its end is told of so long before.
const TOKEN_MARGIN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a gap in the history is told of.
const GAP_SHOWN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Calls are few when less than one part in so many is left of the day.
const DAY_PARTS: u32 = 5;
/// Missed records that are named.
const NAMED_MAX: usize = 5;

/// Everything that stands now, but for what the channels know of each other.
#[must_use]
pub fn standing(live: &Live, overview: &Overview) -> Vec<Alert> {
    let (parts, now) = (live.current(), live.clock.now());
    let began = live.store.trusted_since();
    let mut found = Found { now, alerts: Vec::new() };
    for (name, connection) in &parts.connections {
        found.silent(name, connection, (overview, began));
        let standing = overview.sweeps.iter().find(|(swept, _)| swept == name).map(|(_, standing)| standing);
        if let Some(standing) = standing {
            found.sweep(name, connection, standing);
        }
    }
    for company in &parts.companies {
        let known = live.store.company(&company.id);
        found.token(company, known.token_at);
        found.budget(company, &company.client.budget());
        if let Some(rest) = known.rest.filter(|rest| rest.until > now) {
            let until = minute(rest.until);
            let sentence = format!(
                "Nothing can be posted to {}: {} Next look at {until}; its records wait.",
                company.id, rest.cause
            );
            found.add((AlertKind::Resting, company.id.as_str()), 0, sentence);
        }
        for pause in &known.pauses {
            let of =
                pause.kind.map_or_else(|| company.id.to_string(), |kind| format!("{}/{}", company.id, kind.as_str()));
            let sentence = pause.sentence(&company.id);
            let cure = format!("`readypost companies resume {}` ends it.", company.id);
            found.add((AlertKind::Paused, &of), 0, format!("{sentence} Only an operator ends it: {cure}"));
        }
    }
    found.store(live);
    for (code, count) in overview.counts.held.iter().filter(|(_, count)| **count > 0) {
        found.held(code, *count);
    }
    found.alerts
}

/// When Xero forgets the refresh token of a company, unless it is used before; none where it has none.
#[must_use]
pub fn token_ends(company: &Company, received: Option<Timestamp>) -> Option<Timestamp> {
    received.filter(|_| company.client.refreshes()).map(|at| later(at, TOKEN_LIFE))
}

struct Found {
    now: Timestamp,
    alerts: Vec<Alert>,
}

impl Found {
    fn add(&mut self, (kind, subject): (AlertKind, &str), level: u64, sentence: String) {
        let key = AlertKey { kind, subject: subject.to_owned() };
        self.alerts.push(Alert { key, level, sentence, since: self.now });
    }

    fn silent(&mut self, name: &ConnectionId, connection: &Connection, (overview, began): (&Overview, Timestamp)) {
        let heard = overview.last_callback.iter().find(|(called, _)| called == name).map(|(_, at)| *at);
        if let Some(sentence) = connection.listening.silence(name, (heard, began), self.now) {
            self.add((AlertKind::Silent, name.as_str()), 0, sentence);
        }
    }

    fn sweep(&mut self, name: &ConnectionId, connection: &Connection, standing: &SweepStanding) {
        let Some(last) = &standing.last else { return };
        if last.callbacks_good == Some(false) && connection.callbacks.keeping != Keeping::Off {
            let said: Vec<String> = last.callbacks.iter().map(ToString::to_string).collect();
            let sentence = format!("Callbacks of {name} do not come: {}", said.join("; "));
            self.add((AlertKind::Callbacks, name.as_str()), 0, sentence);
        }
        if let Some(problem) = last.problems.first() {
            let count = last.problems.len();
            let more = if count > 1 { format!(" (and {} more)", count.saturating_sub(1)) } else { String::new() };
            let sentence = format!("The last sweep of {name} could not compare everything: {problem}{more}");
            self.add((AlertKind::Sweep, name.as_str()), 0, sentence);
        }
        self.missed(name, standing);
    }

    /// Stands to the end of the next day, in UTC. Its level grows with each miss, also from day to day.
    fn missed(&mut self, name: &ConnectionId, standing: &SweepStanding) {
        let today = TimeZone::UTC.to_datetime(self.now).date();
        let yesterday = today.yesterday().unwrap_or(today);
        let Some((day, count)) = standing.last_miss().filter(|(day, _)| *day >= yesterday) else { return };
        let midnight = day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp().as_second());
        let level = u64::try_from(midnight.unwrap_or_default()).unwrap_or_default().saturating_mul(1 << 20);
        let missed = standing.last.iter().flat_map(|last| &last.missed);
        let named: Vec<String> = missed.take(NAMED_MAX).map(ToString::to_string).collect();
        let named = if named.is_empty() { String::new() } else { format!(", such as {}", named.join(", ")) };
        let sentence = format!(
            "Sweeps of {name} found {count} that no callback had told of on {day}{named}. They are in the queue. \
             Why no callback came: `readypost callbacks check`."
        );
        self.add((AlertKind::Missed, name.as_str()), level.saturating_add(count.into()), sentence);
    }

    fn token(&mut self, company: &Company, received: Option<Timestamp>) {
        let Some(ends) = token_ends(company, received) else { return };
        if later(self.now, TOKEN_MARGIN) < ends {
            return;
        }
        let (id, day) = (&company.id, minute(ends));
        let sentence = if self.now < ends {
            let cure = format!("Any call renews it, such as those of `readypost reconcile {id} {}`.", month(self.now));
            format!("Xero forgets the refresh token of {id} on {day}, because it was not used for so long. {cure}")
        } else {
            let cure = format!("Connect it again: `readypost xero connect --company {id}`.");
            format!("Xero forgot the refresh token of {id} on {day}. {cure}")
        };
        self.add((AlertKind::Token, id.as_str()), u64::from(self.now >= ends), sentence);
    }

    fn budget(&mut self, company: &Company, budget: &BudgetView) {
        let (Some(left), Some(day)) = (budget.day_remaining, budget.day_limit_seen) else { return };
        if left.saturating_mul(DAY_PARTS) >= day {
            return;
        }
        let (id, reserve) = (&company.id, budget.day_reserve);
        let sentence = format!(
            "Of Xero's calls for {id} {left} are left today, of {day}. At {reserve} posting rests until Xero's day is \
             over. A larger Xero app plan has more; a larger `sweep_minutes` uses less."
        );
        self.add((AlertKind::Budget, id.as_str()), 0, sentence);
    }

    fn store(&mut self, live: &Live) {
        if let Health::Poisoned(cause) = &*live.store.health().borrow() {
            let sentence = format!(
                "The store failed and takes nothing any more: {cause}. The process ends and has to be started again; \
                 callbacks get 429 until then."
            );
            self.add((AlertKind::Store, "disk"), 0, sentence);
        }
        for incident in live.store.incidents() {
            match incident {
                Incident::SetAside { count, folder } => {
                    let sentence = format!(
                        "The index was broken and was made anew from the journal; nothing is lost. Look at the disk and \
                         its log, then remove the old one, {folder} in the store folder: nothing needs it."
                    );
                    self.add((AlertKind::Store, "index"), count, sentence);
                }
                Incident::Gap { count, at } if self.now < later(at, GAP_SHOWN) => {
                    let sentence = format!(
                        "Entries of the history are missing, or the store is a restored backup: found at {}. What was \
                         closed before is looked for in Xero before it is posted. `readypost history verify` says where \
                         they are missing.",
                        minute(at)
                    );
                    self.add((AlertKind::Store, "history"), count, sentence);
                }
                Incident::Gap { .. } => {}
            }
        }
    }

    fn held(&mut self, code: &str, count: u64) {
        let cure = HoldCode::ALL.iter().find(|known| known.as_str() == code).map_or("", |known| known.cure());
        let held = if count == 1 { "1 record is held".to_owned() } else { format!("{count} records are held") };
        let sentence = format!("{held} as `{code}`. {cure} `readypost records list --reason {code}` names them.");
        self.add((AlertKind::Held, code), count, sentence);
    }
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn month(at: Timestamp) -> String {
    at.strftime("%Y-%m").to_string()
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
