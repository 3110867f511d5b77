//! Reads a TOML table key by key and collects every fault with its line, instead of stopping at the first.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use crate::domain::callback::is_loopback;

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line of the file, from 1; 0 when something is missing from the file as a whole.
    pub line: usize,
    /// The key, with its section.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.key, self.message),
            line => write!(f, "line {line}: {}: {}", self.key, self.message),
        }
    }
}

/// Everything that the sections of one file share.
pub(super) struct Source<'text> {
    pub(super) text: &'text str,
    pub(super) env: &'text dyn Fn(&str) -> Option<String>,
    pub(super) faults: RefCell<Vec<Fault>>,
}

impl Source<'_> {
    pub(super) fn fault(&self, offset: Option<usize>, key: &str, message: impl Into<String>) {
        let line = offset.map_or(0, |offset| self.line(offset));
        self.faults.borrow_mut().push(Fault { line, key: key.to_owned(), message: message.into() });
    }

    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count().saturating_add(1)
    }
}

/// One table of the file.
pub(super) struct Section<'source, 'text> {
    source: &'source Source<'text>,
    table: Option<&'source DeTable<'text>>,
    /// How people would name it, for example `company.xero`.
    path: String,
    /// Where it begins.
    offset: Option<usize>,
    /// What environment variables for its secrets begin with.
    env_prefix: String,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'source, 'text> Section<'source, 'text> {
    pub(super) fn root(source: &'source Source<'text>, table: &'source DeTable<'text>) -> Self {
        Self {
            source,
            table: Some(table),
            path: String::new(),
            offset: None,
            env_prefix: "READYPOST".to_owned(),
            known: RefCell::default(),
        }
    }

    /// A sub-table; an empty one when it is missing.
    pub(super) fn section(&self, key: &'static str) -> Section<'source, 'text> {
        let value = self.value(key);
        let table = value.and_then(|value| {
            value.get_ref().as_table().or_else(|| {
                self.fault(key, "must be a table");
                None
            })
        });
        self.child(key, table, value.map(|value| value.span().start))
    }

    /// An array of tables.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'source, 'text>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.fault(key, "must be written as [[…]]");
            return Vec::new();
        };
        let tables = items.iter().filter_map(|item| {
            let Some(table) = item.get_ref().as_table() else {
                self.fault(key, "must be written as [[…]]");
                return None;
            };
            Some(self.child(key, Some(table), Some(item.span().start)))
        });
        tables.collect()
    }

    fn child(
        &self,
        key: &'static str,
        table: Option<&'source DeTable<'text>>,
        offset: Option<usize>,
    ) -> Section<'source, 'text> {
        let env_prefix = format!("{}_{}", self.env_prefix, env_name(key));
        Section { source: self.source, table, path: self.name(key), offset, env_prefix, known: RefCell::default() }
    }

    /// Adds a name to the environment variables of this section's secrets, so that two sections differ.
    pub(super) fn named(mut self, name: &str) -> Self {
        self.env_prefix = format!("{}_{}", self.env_prefix, env_name(name));
        self
    }

    /// The keys of the table, for tables whose keys are data.
    pub(super) fn entries(&self) -> Vec<(String, String)> {
        let Some(table) = self.table else { return Vec::new() };
        let text = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            let Some(text) = value.get_ref().as_str() else {
                self.source.fault(Some(value.span().start), &self.name(key.get_ref()), "must be a text");
                return None;
            };
            Some((key.get_ref().to_string(), text.to_owned()))
        };
        table.iter().filter_map(text).collect()
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        match self.value(key)?.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Datetime(date) => Some(date.to_string()),
            _ => {
                self.fault(key, "must be a text in quotes");
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required(&self, key: &'static str) -> String {
        self.text(key).filter(|text| !text.trim().is_empty()).unwrap_or_else(|| {
            self.missing(key);
            String::new()
        })
    }

    /// A text that is read as something else; none when it is missing or wrong.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(&self, key: &'static str) -> Option<T> {
        let text = self.text(key)?;
        text.parse().map_err(|error: T::Err| self.fault(key, &format!("{text:?}: {error}"))).ok()
    }

    /// An address that secrets or invoices are sent to: https, or plain http to this machine.
    pub(super) fn url(&self, key: &'static str) -> Option<Url> {
        let text = self.text(key)?;
        if text.contains('@') {
            self.fault(key, "must be an address without a user or a password, and without @");
            return None;
        }
        let url: Url = self.parsed(key)?;
        let private =
            url.scheme() == "https" || (url.scheme() == "http" && url.host().as_ref().is_some_and(is_loopback));
        if !private {
            self.fault(key, &format!("{:?}: must be https (plain http only to this machine)", url.as_str()));
        }
        Some(url)
    }

    /// An address that is a secret itself: as [`Self::url`], and it is never shown.
    pub(super) fn required_secret_url(&self, key: &'static str, key_file: &'static str) -> Option<SecretString> {
        let secret = self.required_secret(key, key_file);
        let text = secret.expose_secret().trim();
        if text.is_empty() {
            return None;
        }
        let private = |url: &Url| {
            let here = url.scheme() == "http" && url.host().as_ref().is_some_and(is_loopback);
            (url.scheme() == "https" || here) && url.username().is_empty() && url.password().is_none()
        };
        if !text.parse::<Url>().is_ok_and(|url| private(&url)) {
            let message = "must be an address with https (plain http only to this machine), without user and password; \
                           it is not shown here, because it is a secret";
            self.fault(key, message);
            return None;
        }
        Some(SecretString::from(text.to_owned()))
    }

    /// A value of one of the types that serde reads from a text, such as a choice; else the default.
    pub(super) fn choice<T: serde::de::DeserializeOwned>(&self, key: &'static str, default: T, choices: &str) -> T {
        self.chosen(key, choices).unwrap_or(default)
    }

    /// The same; none when it is missing or wrong.
    pub(super) fn chosen<T: serde::de::DeserializeOwned>(&self, key: &'static str, choices: &str) -> Option<T> {
        let text = self.text(key)?;
        let read: Result<T, serde::de::value::Error> =
            T::deserialize(serde::de::IntoDeserializer::into_deserializer(text.as_str()));
        read.map_err(|_| self.fault(key, &format!("{text:?} is none of: {choices}"))).ok()
    }

    /// true or false.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        match self.value(key).map(Spanned::get_ref) {
            None => default,
            Some(DeValue::Boolean(flag)) => *flag,
            Some(_) => {
                self.fault(key, "must be true or false");
                default
            }
        }
    }

    /// Texts or whole numbers, as texts.
    pub(super) fn list(&self, key: &'static str) -> Vec<String> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.fault(key, "must be a list: […]");
            return Vec::new();
        };
        let texts = items.iter().filter_map(|item| match item.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            _ => {
                self.fault(key, "must hold texts or whole numbers only");
                None
            }
        });
        texts.collect()
    }

    /// A secret: from the environment, from the file that `<key>_file` names, or from this file.
    ///
    /// A blank one is as good as none: a variable that a supervisor sets to nothing must not pass for a secret.
    pub(super) fn secret(&self, key: &'static str, key_file: &'static str) -> Option<SecretString> {
        let (inline, file) = (self.text(key), self.text(key_file));
        let filled = |text: &String| !text.trim().is_empty();
        if let Some(value) = (self.source.env)(&self.env(key)).filter(filled) {
            return Some(SecretString::from(value));
        }
        if let Some(path) = file {
            return match std::fs::read_to_string(&path) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()).filter(filled).map(SecretString::from),
                Err(error) => {
                    // Not its name: who mistakes the key for the file writes the secret itself here.
                    self.fault(key_file, &format!("this file cannot be read: {error}"));
                    None
                }
            };
        }
        inline.filter(filled).map(SecretString::from)
    }

    /// A secret that must be there.
    pub(super) fn required_secret(&self, key: &'static str, key_file: &'static str) -> SecretString {
        self.secret(key, key_file).unwrap_or_else(|| {
            let message = format!("is missing (also possible: `{key_file}`, or the variable {})", self.env(key));
            self.source.fault(self.offset, &self.name(key), message);
            SecretString::default()
        })
    }

    /// Notes a fault of a key.
    pub(super) fn fault(&self, key: &str, message: &str) {
        let value = self
            .table
            .and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key))
            .map(|(_, value)| value.span().start);
        self.source.fault(value.or(self.offset), &self.name(key), message);
    }

    /// Notes that a key is missing.
    pub(super) fn missing(&self, key: &'static str) {
        self.fault(key, "is missing");
    }

    /// Ends the section: keys that nobody asked for are faults.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            if !known.contains(key.get_ref().as_ref()) {
                let all: Vec<&str> = known.iter().copied().collect();
                let message = format!("is not a setting; known here: {}", all.join(", "));
                self.source.fault(Some(key.span().start), &self.name(key.get_ref()), message);
            }
        }
    }

    fn value(&self, key: &'static str) -> Option<&'source Spanned<DeValue<'text>>> {
        self.known.borrow_mut().insert(key);
        self.table?.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn env(&self, key: &str) -> String {
        format!("{}_{}", self.env_prefix, env_name(key))
    }
}

fn env_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
