//! The contacts that a simulation has met: of all records of a client, the first pays for the contact, and the directory
//! is asked once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::contact::ContactMatch;
use crate::domain::delivery::Record;
use crate::domain::facts::Party;
use crate::domain::record::{CompanyId, RecordKey};

/// What the directory said, by organisation and link.
#[derive(Debug, Default)]
pub(super) struct Met(Mutex<HashMap<(CompanyId, i64), Contact>>);

#[derive(Debug)]
struct Contact {
    found: ContactMatch,
    /// The record for which the directory was asked.
    first: RecordKey,
    /// The record with which it would be created.
    created_with: Option<RecordKey>,
}

/// What posting a record would cost for its contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pays {
    /// A look into the directory.
    pub(super) directory: bool,
    /// The contact, which no record before it created.
    pub(super) created: bool,
}

impl Met {
    fn lock(&self) -> MutexGuard<'_, HashMap<(CompanyId, i64), Contact>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the directory said before.
    pub(super) fn known(&self, company: &CompanyId, party: &Party) -> Option<ContactMatch> {
        self.lock().get(&(company.clone(), party.link())).map(|contact| contact.found.clone())
    }

    /// Takes note of what the directory said.
    pub(super) fn note(&self, company: &CompanyId, party: &Party, (first, found): (&RecordKey, &ContactMatch)) {
        let contact = Contact { found: found.clone(), first: first.clone(), created_with: None };
        self.lock().insert((company.clone(), party.link()), contact);
    }

    /// What a record pays that is posted after those that were met before it; `is_new`: no contact is known for it.
    pub(super) fn pays(&self, company: &CompanyId, party: &Party, (record, is_new): (&Record, bool)) -> Pays {
        let mut held = self.lock();
        // Where the directory was not asked, the contact is linked.
        let Some(contact) = held.get_mut(&(company.clone(), party.link())) else { return Pays::default() };
        // The first that is posted leaves a link, but to the contact that the rules name.
        let linked = matches!(contact.found, ContactMatch::Known(_)) || contact.created_with.is_some();
        if is_new && contact.created_with.is_none() {
            contact.created_with = Some(record.key.clone());
        }
        let created = is_new && contact.created_with.as_ref() == Some(&record.key);
        let asks = contact.first == record.key || created || !linked || party.id == 0 || record.asked.is_some();
        Pays { directory: asks, created }
    }
}
