//! A simulation in words, the same on every surface.

use std::fmt;

use super::{Estimate, Planned, Scope, Simulation, Unlike, Verdict};
use crate::domain::content::or_nothing;

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { key } => write!(f, "{key}"),
            Self::Month { company, month } => write!(f, "{company}, {month}"),
            Self::Unposted { company } => write!(f, "{company}, everything unposted"),
        }
    }
}

impl Verdict {
    /// What it means, in words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Post => "would be posted",
            Self::Adopt => "would be linked to its document in Xero",
            Self::Hold => "would be held",
            Self::Skip => "would be skipped",
            Self::Posted => "is posted, and Xero says the same",
            Self::Differs => "is posted, and Xero says something else",
            Self::Missing => "is in a batch, and Xero has no live document of its number",
            Self::Unread => "could not be read now, or not in full",
        }
    }
}

impl Unlike {
    /// As a person says it: `total: 240.00 in ConnectWise, 260.00 in Xero`.
    #[must_use]
    pub fn told(&self) -> String {
        let Self { field, wanted, xero } = self;
        format!("{field}: {} in ConnectWise, {} in Xero", or_nothing(wanted), or_nothing(xero))
    }
}

impl Planned {
    /// The body as people read it; empty where it was left out.
    #[must_use]
    pub fn readable(&self) -> String {
        let body: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        body.and_then(|body| serde_json::to_string_pretty(&body).ok()).unwrap_or_else(|| self.body.clone())
    }
}

impl Estimate {
    /// What does not fit into today; none when all does.
    #[must_use]
    pub fn late(&self) -> Option<String> {
        let late =
            |calls: u32| format!("{calls} calls do not fit into today: the rest is posted after Xero's day is over.");
        Some(self.not_today).filter(|calls| *calls > 0).map(late)
    }
}

impl Simulation {
    /// What posting would cost, and what the simulation did, in sentences.
    #[must_use]
    pub fn costs(&self) -> Vec<String> {
        let (calls, spent) = (self.calls, self.spent);
        let mut told = Vec::new();
        if self.new_contacts > 0 {
            told.push(format!("{} contacts would be created in Xero.", self.new_contacts));
        }
        told.push(format!(
            "Posting would cost {} calls to Xero and about {} to ConnectWise.",
            calls.xero, calls.connectwise
        ));
        if let Some(estimate) = &self.estimate {
            let today = estimate.today.map(|today| format!("; today has {today} left")).unwrap_or_default();
            let (limit, minutes) = (estimate.minute_limit, estimate.minutes);
            told.push(format!("At {limit} calls a minute that takes {minutes} min{today}."));
        }
        told.push(format!(
            "The simulation took {} calls to Xero and {} to ConnectWise. Nothing was written.",
            spent.xero, spent.connectwise
        ));
        told.extend(self.notes.iter().map(|note| format!("Note: {note}")));
        told
    }

    /// The rows, what needs somebody first.
    #[must_use]
    pub fn by_need(&self) -> Vec<&super::Simulated> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|row| !row.verdict.needs_somebody());
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_without_a_value_is_nothing() {
        let unlike = Unlike { field: "line 1".to_owned(), wanted: "LABOUR".to_owned(), xero: String::new() };
        assert_eq!(unlike.told(), "line 1: LABOUR in ConnectWise, nothing in Xero");
    }
}
