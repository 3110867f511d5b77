//! A slow-moving value, kept for a stated time; many callers at once cause one read.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::remote::RemoteError;

/// A value and when it was read.
pub(super) struct Kept<T> {
    life: SignedDuration,
    slot: Mutex<Option<(Timestamp, Arc<T>)>>,
}

impl<T> Kept<T> {
    pub(super) fn new(life: SignedDuration) -> Self {
        Self { life, slot: Mutex::new(None) }
    }

    /// Forgets the value.
    pub(super) async fn forget(&self) {
        *self.slot.lock().await = None;
    }

    /// The value, from `read` when there is none that is young enough; failures are not kept.
    pub(super) async fn get(
        &self,
        clock: &dyn Clock,
        read: impl Future<Output = Result<T, RemoteError>>,
    ) -> Result<Arc<T>, RemoteError> {
        let mut slot = self.slot.lock().await;
        if let Some((at, value)) = slot.as_ref()
            && is_young(*at, clock.now(), self.life)
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(read.await?);
        *slot = Some((clock.now(), Arc::clone(&value)));
        Ok(value)
    }
}

/// Whether less than `life` has passed; never for what lies in the future of a clock that was set back.
pub(super) fn is_young(at: Timestamp, now: Timestamp, life: SignedDuration) -> bool {
    let age = now.duration_since(at);
    !age.is_negative() && age < life
}
