//! The callbacks that ConnectWise must have registered, compared with those that it has.
//!
//! ConnectWise switches a callback off after three failing days, and anybody with its rights can delete one. What does
//! not lead to readypost belongs to somebody else and is never touched.

use serde::{Deserialize, Serialize};
use url::Url;

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
    /// Missing ones are registered, those that are switched off are switched on, and addresses are repaired.
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
    /// The address of this one has no `?recordId=`: ConnectWise appends the id to the name of the connection, and
    /// nothing comes.
    Repair(CallbackEntry),
}

/// A field of a callback that is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// As ConnectWise calls it.
    pub field: &'static str,
    /// What it is.
    pub from: String,
    /// What it becomes.
    pub to: String,
}

/// How a callback stands to what is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is missing, or does not come.
    Wrong(Change),
    /// It leads to readypost, and comes.
    Right(CallbackEntry),
    /// It leads to readypost, and no company needs its type: it is left alone.
    Unneeded(CallbackEntry),
    /// It leads elsewhere: it is left alone.
    Foreign(CallbackEntry),
}

impl Standing {
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Wrong(Change::Register { .. }) => "register",
            Self::Wrong(Change::SwitchOn(_)) => "switch_on",
            Self::Wrong(Change::Repair(_)) => "repair",
            Self::Right(_) => "right",
            Self::Unneeded(_) => "unneeded",
            Self::Foreign(_) => "foreign",
        }
    }

    /// What is to be changed.
    #[must_use]
    pub fn change(&self) -> Option<&Change> {
        match self {
            Self::Wrong(change) => Some(change),
            Self::Right(_) | Self::Unneeded(_) | Self::Foreign(_) => None,
        }
    }

    /// What is there, or else what is registered, with 0 as its id.
    #[must_use]
    pub fn entry(&self, address: &str) -> CallbackEntry {
        match self {
            Self::Wrong(Change::Register { kind }) => whole(kind, address),
            Self::Wrong(Change::SwitchOn(entry) | Change::Repair(entry))
            | Self::Right(entry)
            | Self::Unneeded(entry)
            | Self::Foreign(entry) => entry.clone(),
        }
    }
}

impl Change {
    /// What is wrong.
    #[must_use]
    pub fn wrong(&self) -> String {
        match self {
            Self::Register { kind } => format!("no {kind} callback leads to readypost"),
            Self::SwitchOn(entry) => format!(
                "the {} callback {} is switched off: ConnectWise does that after three failing days",
                entry.kind(),
                entry.id
            ),
            Self::Repair(entry) => {
                format!(
                    "the address of the {} callback {} has no `?recordId=`, so it never comes",
                    entry.kind(),
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
            Self::SwitchOn(entry) => format!("switched the {} callback {} on again", entry.kind(), entry.id),
            Self::Repair(entry) => format!("repaired the address of the {} callback {}", entry.kind(), entry.id),
        }
    }

    /// The fields that change, of a callback that is there. `address` is where callbacks are sent to.
    #[must_use]
    pub fn fields(&self, address: &str) -> Vec<FieldChange> {
        let url = |entry: &CallbackEntry| FieldChange { field: "url", from: entry.url.clone(), to: ending(address) };
        let flag = || FieldChange { field: "inactiveFlag", from: true.to_string(), to: false.to_string() };
        match self {
            Self::Register { .. } => Vec::new(),
            Self::SwitchOn(_) => vec![flag()],
            Self::Repair(entry) => std::iter::once(url(entry)).chain(entry.inactive.then(flag)).collect(),
        }
    }
}

impl CallbackEntry {
    /// Its type as callbacks have it: in small letters.
    #[must_use]
    pub fn kind(&self) -> String {
        self.kind.trim().to_ascii_lowercase()
    }
}

/// The address that is registered: ConnectWise appends the id.
#[must_use]
pub fn ending(address: &str) -> String {
    format!("{address}?recordId=")
}

/// What is registered of a type that is missing: all records of the type.
#[must_use]
pub fn whole(kind: &str, address: &str) -> CallbackEntry {
    let (kind, level, url) = (kind.to_owned(), "owner".to_owned(), ending(address));
    CallbackEntry { id: 0, kind, level, object_id: Some(1), url, inactive: false }
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

/// What people are shown of an address: what may be a secret in it, of readypost or of somebody else, is `…`.
///
/// Of one that leads elsewhere only the host is shown, because a path can be a secret, too.
#[must_use]
pub fn shown_url(url: &str, address: &str) -> String {
    let Ok(read) = Url::parse(url) else { return "an address that is not readable".to_owned() };
    let Some(host) = read.host_str() else { return format!("{}:…", read.scheme()) };
    let port = read.port().map(|port| format!(":{port}")).unwrap_or_default();
    let origin = format!("{}://{host}{port}", read.scheme());
    let rest = url.get(..address.len()).filter(|begin| begin.eq_ignore_ascii_case(address));
    match rest.and_then(|_| url.get(address.len()..)) {
        Some(rest @ ("" | "/" | "?recordId=")) => {
            let path = Url::parse(address).map(|address| address.path().to_owned()).unwrap_or_default();
            format!("{origin}{path}{rest}")
        }
        _ => format!("{origin}/…"),
    }
}

/// What is registered, compared with what is needed so that callbacks of each of these types come to `address`: what
/// is wrong or right of each type in turn, then what is left alone.
///
/// Whatever level an operator chose is respected: one that is switched on is enough, and of those that are switched
/// off all are switched on, because each may be for a status of its own.
#[must_use]
pub fn compared(registered: &[CallbackEntry], address: &str, needed: &[&'static str]) -> Vec<Standing> {
    let (ours, foreign): (Vec<_>, Vec<_>) = registered.iter().cloned().partition(|entry| is_ours(entry, address));
    let mut standings = Vec::new();
    for kind in needed {
        let of_kind: Vec<&CallbackEntry> = ours.iter().filter(|entry| entry.kind() == *kind).collect();
        if of_kind.is_empty() {
            standings.push(Standing::Wrong(Change::Register { kind }));
        }
        standings.extend(of_kind.into_iter().cloned().map(|entry| {
            if matches!(entry.url.get(address.len()..), Some("" | "/")) {
                Standing::Wrong(Change::Repair(entry))
            } else if entry.inactive {
                Standing::Wrong(Change::SwitchOn(entry))
            } else {
                Standing::Right(entry)
            }
        }));
    }
    let unneeded = ours.into_iter().filter(|entry| !needed.contains(&entry.kind().as_str()));
    standings.extend(unneeded.map(Standing::Unneeded));
    standings.extend(foreign.into_iter().map(Standing::Foreign));
    standings
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://hooks.example.com/callbacks/acme";

    fn entry(id: i64, kind: &str, url: &str, inactive: bool) -> CallbackEntry {
        let (kind, level, url) = (kind.to_owned(), "Owner".to_owned(), url.to_owned());
        CallbackEntry { id, kind, level, object_id: Some(1), url, inactive }
    }

    /// What is to be changed.
    fn changes(registered: &[CallbackEntry], needed: &[&'static str]) -> Vec<Change> {
        compared(registered, ADDRESS, needed).iter().filter_map(Standing::change).cloned().collect()
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
        let found = changes(&registered, &needed);
        assert_eq!(found, [Change::SwitchOn(off.clone()), Change::Register { kind: "expense" }]);
        assert!(found[0].wrong().contains("callback 3 is switched off") && found[1].done().contains("expense"));
        // Done twice, nothing is left to do.
        let mended =
            [registered[0].clone(), CallbackEntry { inactive: false, ..off }, entry(6, "expense", &good, false)];
        assert_eq!(changes(&mended, &needed), []);
        assert_eq!(changes(&registered, &["invoice"]), []);
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

    #[test]
    fn every_callback_has_its_row_and_an_address_that_never_comes_is_repaired() {
        let good = format!("{ADDRESS}?recordId=");
        let [bare, right, ticket, foreign] = [
            entry(1, "Invoice", ADDRESS, true),
            entry(2, " PurchaseOrder", &good, false),
            entry(3, "ticket", &good, true),
            entry(4, "invoice", "https://elsewhere.example.com/", true),
        ];
        let registered = [foreign.clone(), ticket.clone(), right.clone(), bare.clone()];
        let found = compared(&registered, ADDRESS, &["invoice", "purchaseorder", "expense"]);
        let repair = Change::Repair(bare);
        let expected = [
            Standing::Wrong(repair.clone()),
            Standing::Right(right),
            Standing::Wrong(Change::Register { kind: "expense" }),
            Standing::Unneeded(ticket),
            Standing::Foreign(foreign),
        ];
        assert_eq!(found, expected);
        let fields = repair.fields(ADDRESS).into_iter().map(|field| (field.field, field.from, field.to));
        let flag = ("inactiveFlag", "true".to_owned(), "false".to_owned());
        assert_eq!(fields.collect::<Vec<_>>(), [("url", ADDRESS.to_owned(), good), flag]);
        assert_eq!(Change::Register { kind: "expense" }.fields(ADDRESS), []);
    }

    #[test]
    fn no_secret_of_an_address_is_shown() {
        let secret = "https://me:planted@hooks.example.com/callbacks/acme";
        for (url, address, shown) in [
            (
                "https://HOOKS.example.com/callbacks/acme?recordId=",
                ADDRESS,
                "https://hooks.example.com/callbacks/acme?recordId=",
            ),
            ("https://hooks.example.com/callbacks/acme", ADDRESS, "https://hooks.example.com/callbacks/acme"),
            ("https://hooks.example.com/callbacks/acme?key=planted&recordId=", ADDRESS, "https://hooks.example.com/…"),
            (&format!("{secret}?recordId="), secret, "https://hooks.example.com/callbacks/acme?recordId="),
            (
                "https://me:planted@other.example.com:8443/planted?code=planted#planted",
                ADDRESS,
                "https://other.example.com:8443/…",
            ),
            ("mailto:planted", ADDRESS, "mailto:…"),
            ("planted", ADDRESS, "an address that is not readable"),
            ("", ADDRESS, "an address that is not readable"),
        ] {
            assert_eq!(shown_url(url, address), shown, "{url}");
        }
    }
}
