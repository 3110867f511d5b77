//! The callbacks that ConnectWise must have registered, compared with those that it has.
//!
//! ConnectWise switches a callback off after three failing days, and anybody with its rights can delete one. What does
//! not lead to readypost belongs to somebody else and is never touched.

use serde::{Deserialize, Serialize};

use super::record::ConnectionId;

/// A registered callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackEntry {
    /// ConnectWise id.
    pub id: i64,
    /// Type of record, such as `invoice`; in any case.
    pub kind: String,
    /// Level, such as `owner` or `status`; in any case.
    pub level: String,
    /// What the level refers to; 1 for the level owner.
    pub object_id: Option<i64>,
    /// Where it is sent to.
    pub url: String,
    /// Switched off, by a person or after three days of failures.
    pub inactive: bool,
}

/// What is to be done about callbacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeping {
    /// Missing ones are registered, and those that are switched off are switched on.
    #[default]
    Keep,
    /// They are looked at, and what is wrong is shown.
    Report,
    /// They are not looked at.
    Off,
}

/// A change that makes callbacks come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// None of this type leads to readypost.
    Register {
        /// Type of record.
        kind: &'static str,
    },
    /// This one is switched off.
    SwitchOn(CallbackEntry),
}

impl Change {
    /// What is wrong.
    #[must_use]
    pub fn wrong(&self) -> String {
        match self {
            Self::Register { kind } => format!("no {kind} callback leads to readypost"),
            Self::SwitchOn(entry) => {
                let kind = entry.kind.to_ascii_lowercase();
                format!(
                    "the {kind} callback {} is switched off: ConnectWise does that after three failing days",
                    entry.id
                )
            }
        }
    }

    /// What was done about it.
    #[must_use]
    pub fn done(&self) -> String {
        match self {
            Self::Register { kind } => format!("registered the {kind} callback, because none led to readypost"),
            Self::SwitchOn(entry) => {
                let kind = entry.kind.to_ascii_lowercase();
                format!("switched the {kind} callback {} on again", entry.id)
            }
        }
    }
}

/// Where callbacks of a connection are sent to; whatever begins so is ours.
#[must_use]
pub fn address(public_url: &str, connection: &ConnectionId) -> String {
    format!("{}/callbacks/{connection}", public_url.trim_end_matches('/'))
}

/// Whether a callback leads to this address, and not to one that only begins like it.
#[must_use]
pub fn is_ours(entry: &CallbackEntry, address: &str) -> bool {
    let rest = entry.url.get(..address.len()).filter(|begin| begin.eq_ignore_ascii_case(address));
    rest.is_some()
        && entry.url.get(address.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with(['?', '/', '&']))
}

/// What is to be changed so that callbacks of each of these types come to `address`.
///
/// Whatever level an operator chose is respected: one that is switched on is enough, and of those that are switched
/// off all are switched on, because each may be for a status of its own.
#[must_use]
pub fn changes(registered: &[CallbackEntry], address: &str, needed: &[&'static str]) -> Vec<Change> {
    let mut changes = Vec::new();
    for kind in needed {
        let of_kind = |entry: &&CallbackEntry| entry.kind.trim().eq_ignore_ascii_case(kind) && is_ours(entry, address);
        let ours: Vec<&CallbackEntry> = registered.iter().filter(of_kind).collect();
        if ours.is_empty() {
            changes.push(Change::Register { kind });
        }
        changes.extend(ours.into_iter().filter(|entry| entry.inactive).cloned().map(Change::SwitchOn));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://hooks.example.com/callbacks/acme";

    fn entry(id: i64, kind: &str, url: &str, inactive: bool) -> CallbackEntry {
        let (kind, level, url) = (kind.to_owned(), "Owner".to_owned(), url.to_owned());
        CallbackEntry { id, kind, level, object_id: Some(1), url, inactive }
    }

    #[test]
    fn what_is_missing_is_registered_and_what_is_off_is_switched_on() {
        let good = format!("{ADDRESS}?recordId=");
        let off = entry(3, "PurchaseOrder", &good, true);
        let registered = [
            entry(1, "Invoice", &good, false),
            // Another connection, and another host: not ours.
            entry(2, "invoice", "https://hooks.example.com/callbacks/acme2?recordId=", true),
            off.clone(),
            entry(4, "expense", "https://elsewhere.example.com/callbacks/acme?recordId=", false),
            entry(5, "ticket", &good, true),
        ];
        let needed = ["invoice", "purchaseorder", "expense"];
        let found = changes(&registered, ADDRESS, &needed);
        assert_eq!(found, [Change::SwitchOn(off.clone()), Change::Register { kind: "expense" }]);
        assert!(found[0].wrong().contains("callback 3 is switched off") && found[1].done().contains("expense"));
        // Done twice, nothing is left to do.
        let mended =
            [registered[0].clone(), CallbackEntry { inactive: false, ..off }, entry(6, "expense", &good, false)];
        assert_eq!(changes(&mended, ADDRESS, &needed), []);
        assert_eq!(changes(&registered, ADDRESS, &["invoice"]), []);
    }

    #[test]
    fn an_address_is_ours_as_a_whole() {
        let acme: ConnectionId = "acme".parse().unwrap();
        assert_eq!(address("https://hooks.example.com/", &acme), ADDRESS);
        for (url, ours) in [
            ("https://HOOKS.example.com/callbacks/acme?recordId=", true),
            ("https://hooks.example.com/callbacks/acme", true),
            ("https://hooks.example.com/callbacks/acme/", true),
            ("https://hooks.example.com/callbacks/acme-2", false),
            ("https://hooks.example.com/callbacks/ac", false),
            ("", false),
        ] {
            assert_eq!(is_ours(&entry(1, "invoice", url, false), ADDRESS), ours, "{url}");
        }
    }
}
