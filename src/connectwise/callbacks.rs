//! Registered callbacks: read, registered, switched on again, and repaired.

use serde_json::{Value, json};

use super::client::{Call, ConnectWise, malformed, parse};
use super::failure::Denied;
use super::wire;
use crate::domain::registration::{CallbackEntry, Change, ending, whole};
use crate::remote::RemoteError;

const PATH: &str = "system/callbacks";

impl ConnectWise {
    /// All registered callbacks, those of other integrations included.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn callbacks(&self) -> Result<Vec<CallbackEntry>, RemoteError> {
        let rows: Vec<wire::Callback> = self.list(PATH, None).await??;
        Ok(rows.into_iter().map(entry).collect())
    }

    /// Makes one change. `address` is where callbacks are sent to.
    ///
    /// A registration that is there already is as good as made. That a callback can be switched on by itself is likely
    /// and not documented: where it stays as it is, it is deleted and registered anew.
    ///
    /// # Errors
    /// As [`RemoteError`] says; after an unknown outcome the next look shows what became of it.
    pub async fn change_callback(&self, change: &Change, address: &str) -> Result<(), RemoteError> {
        match change {
            Change::Register { kind } => self.register(&whole(kind, address)).await,
            Change::SwitchOn(entry) => self.mend(entry, &entry.url).await,
            Change::Repair(entry) => self.mend(entry, &ending(address)).await,
        }
    }

    /// Switches one on, with this address.
    async fn mend(&self, entry: &CallbackEntry, url: &str) -> Result<(), RemoteError> {
        let wanted = CallbackEntry { url: url.to_owned(), inactive: false, ..entry.clone() };
        let path = format!("{PATH}/{}", entry.id);
        let mut body = vec![json!({ "op": "replace", "path": "inactiveFlag", "value": false })];
        if entry.url != url {
            body.push(json!({ "op": "replace", "path": "url", "value": url }));
        }
        let answered = match self.once(&Call::patch(&path, Value::from(body))).await {
            Ok(Ok(answer)) => Some(parse::<wire::Callback>(&answer, &path)?),
            // It was deleted meanwhile, or this version knows no PATCH of it.
            Ok(Err(Denied::NoRecord(_))) => {
                return self.register(&wanted).await;
            }
            Ok(Err(denied @ Denied::Forbidden(_))) => return Err(denied.into()),
            Ok(Err(Denied::NoEndpoint(_))) | Err(RemoteError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let mended = |row: &wire::Callback| {
            row.id == entry.id && row.inactive_flag != Some(true) && (entry.url == url || row.url == url)
        };
        if answered.is_some_and(|row| mended(&row)) {
            return Ok(());
        }
        match self.once(&Call::delete(&path)).await? {
            Ok(_) | Err(Denied::NoRecord(_)) => {}
            Err(denied) => return Err(denied.into()),
        }
        self.register(&wanted).await
    }

    async fn register(&self, entry: &CallbackEntry) -> Result<(), RemoteError> {
        let CallbackEntry { kind, level, url, .. } = entry;
        let body = json!({ "description": "readypost", "type": kind, "level": level, "objectId": level_id(entry),
            "url": url, "inactiveFlag": false, "isSelfSuppressedFlag": true });
        match self.once(&Call::post(PATH, body)).await {
            Ok(Ok(answer)) => {
                let row: wire::Callback = parse(&answer, PATH)?;
                let good = row.inactive_flag != Some(true);
                if good {
                    Ok(())
                } else {
                    Err(malformed(format!("the callback {} was registered switched off", row.id)))
                }
            }
            Ok(Err(denied)) => Err(denied.into()),
            Err(RemoteError::Refused { cause, .. }) if cause.contains("already exists") => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What the level of a callback refers to.
fn level_id(entry: &CallbackEntry) -> i64 {
    entry.object_id.unwrap_or(1)
}

fn entry(row: wire::Callback) -> CallbackEntry {
    CallbackEntry {
        id: row.id,
        kind: row.r#type,
        level: row.level,
        object_id: row.object_id,
        url: row.url,
        inactive: row.inactive_flag.unwrap_or_default(),
    }
}
