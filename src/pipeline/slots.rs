//! Who may work at the same time: so many steps for each company, so that none takes the places of another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::record::{CompanyId, ConnectionId};

/// Steps at the same time in one place; Xero itself takes 5 calls per organisation.
const STEPS_MAX: u32 = 8;

/// Where steps are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The record has to be read before it is known which of several companies takes it.
    Reading(ConnectionId),
    /// The record is a company's.
    Company(CompanyId),
}

/// The steps under way.
#[derive(Debug, Default)]
pub(super) struct Slots {
    taken: Mutex<BTreeMap<Place, u32>>,
    freed: Notify,
}

/// The right to one step; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    place: Place,
}

impl Slots {
    /// A slot, unless all of the place are taken.
    pub(super) fn take(self: &Arc<Self>, place: Place) -> Option<Slot> {
        self.lock().take(&place).then(|| Slot { slots: Arc::clone(self), place })
    }

    /// How many steps more the place has room for.
    pub(super) fn left(&self, place: &Place) -> u32 {
        STEPS_MAX.saturating_sub(self.taken(place))
    }

    /// Steps under way in the place.
    pub(super) fn taken(&self, place: &Place) -> u32 {
        self.lock().0.get(place).copied().unwrap_or_default()
    }

    /// Returns once a slot was given back since this was awaited last.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    fn lock(&self) -> Taken<'_> {
        Taken(self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The counts, locked.
struct Taken<'slots>(MutexGuard<'slots, BTreeMap<Place, u32>>);

impl Taken<'_> {
    fn take(&mut self, place: &Place) -> bool {
        let count = self.0.get(place).copied().unwrap_or_default();
        if count < STEPS_MAX {
            self.0.insert(place.clone(), count.saturating_add(1));
        }
        count < STEPS_MAX
    }

    fn give_back(&mut self, place: &Place) {
        match self.0.get_mut(place) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            // Companies come and go; those without steps leave nothing behind.
            _ => {
                self.0.remove(place);
            }
        }
    }
}

impl Slot {
    /// Whether it is one of the place.
    pub(super) fn is_in(&self, place: &Place) -> bool {
        self.place == *place
    }

    /// Becomes a slot of another place, unless all of that are taken.
    pub(super) fn move_to(&mut self, place: Place) -> bool {
        let mut taken = self.slots.lock();
        let moved = taken.take(&place);
        if moved {
            taken.give_back(&self.place);
            drop(taken);
            self.place = place;
            self.slots.freed.notify_one();
        }
        moved
    }

    /// The slots it is one of.
    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().give_back(&self.place);
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company(id: &str) -> Place {
        Place::Company(id.parse().unwrap())
    }

    #[tokio::test]
    async fn a_full_company_takes_no_slot_of_another_and_gives_all_back() {
        let slots = Arc::new(Slots::default());
        let mut held: Vec<Slot> = (0..STEPS_MAX).map(|_| slots.take(company("au")).unwrap()).collect();
        assert!(slots.take(company("au")).is_none());
        let mut reading = slots.take(Place::Reading("acme".parse().unwrap())).unwrap();
        assert!(!reading.move_to(company("au")));
        assert!(reading.move_to(company("nz")) && reading.is_in(&company("nz")));
        assert_eq!((slots.left(&company("nz")), slots.left(&company("au"))), (STEPS_MAX - 1, 0));
        slots.freed().await;
        held.pop();
        slots.freed().await;
        assert!(reading.move_to(company("au")));
        drop((held, reading));
        assert!(slots.taken.lock().unwrap().is_empty());
    }
}
