//! What was told, in a file of the store's folder.
//!
//! Not in the journal: that is the history of the books, is kept for ever and proved by its chain, and who was told of
//! what is no part of it. A file that is lost or unreadable costs that everything is told once more.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::alert::{Alert, AlertKey, Told};

/// Its name.
const FILE: &str = "alerts.json";

/// What is known of alerts.
#[derive(Debug, Default)]
pub(super) struct Memory {
    path: PathBuf,
    kept: Kept,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// Since when what stands is known.
    since: BTreeMap<AlertKey, Timestamp>,
    /// What each channel was told.
    channels: BTreeMap<String, Told>,
}

/// What is to be written, and where.
pub(super) struct ToWrite {
    path: PathBuf,
    kept: Kept,
}

impl Memory {
    /// Reads the file in a folder. One that cannot be read is as good as none.
    pub(super) fn read(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let kept = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "what alerts were told cannot be read: they are told again");
                Kept::default()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(error) => {
                tracing::warn!(%error, "what alerts were told cannot be read: they are told again");
                Kept::default()
            }
        };
        Self { path, kept }
    }

    /// Gives alerts the time since when they are known.
    pub(super) fn date(&self, alerts: &mut [Alert]) {
        for alert in alerts {
            alert.since = self.kept.since.get(&alert.key).copied().unwrap_or(alert.since).min(alert.since);
        }
    }

    /// Remembers since when what stands is known; whether that is news.
    pub(super) fn remember(&mut self, standing: &[Alert]) -> bool {
        let since: BTreeMap<AlertKey, Timestamp> =
            standing.iter().map(|alert| (alert.key.clone(), alert.since)).collect();
        let changed = since != self.kept.since;
        self.kept.since = since;
        changed
    }

    /// What a channel was told.
    pub(super) fn of(&self, channel: &str) -> Option<&Told> {
        self.kept.channels.get(channel)
    }

    /// The same, about to be changed.
    pub(super) fn told(&mut self, channel: &str) -> &mut Told {
        self.kept.channels.entry(channel.to_owned()).or_default()
    }

    /// What is to be written; channels that are gone are forgotten.
    pub(super) fn kept(&mut self, channels: &[String]) -> ToWrite {
        self.kept.channels.retain(|name, _| channels.contains(name));
        ToWrite { path: self.path.clone(), kept: self.kept.clone() }
    }
}

impl ToWrite {
    /// Replaces the file at once: whoever reads it sees the old one or the new one.
    pub(super) fn write(&self) -> std::io::Result<()> {
        let aside = self.path.with_extension("json.new");
        let mut file = std::fs::File::create(&aside)?;
        file.write_all(&serde_json::to_vec(&self.kept)?)?;
        file.sync_data()?;
        std::fs::rename(aside, &self.path)
    }
}
