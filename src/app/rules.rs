//! What the history says of the rules in force.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::domain::record::CompanyId;
use crate::domain::text::hex;
use crate::store::{Event, FORM};

/// The rules of a configuration, under the name that steps carry.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    /// The name: it changes with any rule, any company and the version of readypost.
    pub(super) name: String,
    companies: BTreeMap<CompanyId, Value>,
}

impl InForce {
    /// The rules of all companies. What is secret in a configuration is not in its rules.
    pub(super) fn of(config: &Config) -> Self {
        let rules = |company: &crate::config::Company| {
            // Rules are texts, numbers and lists of them; nothing of that can fail.
            (company.id.clone(), serde_json::to_value(&company.rules).unwrap_or_default())
        };
        let companies: BTreeMap<CompanyId, Value> = config.companies.iter().map(rules).collect();
        let text = serde_json::to_vec(&companies).unwrap_or_default();
        let digest = Sha256::new().chain_update(env!("CARGO_PKG_VERSION")).chain_update([0]).chain_update(text);
        Self { name: hex(&digest.finalize()).chars().take(16).collect(), companies }
    }

    /// The entry that says so; with whoever had the configuration read anew.
    pub(super) fn event(&self, by: Option<&str>) -> Event {
        Event::Configured {
            rules: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            form: FORM,
            companies: self.companies.clone(),
            by: by.map(str::to_owned),
        }
    }
}
