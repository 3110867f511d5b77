//! Bodies of strangers: small, in time, and only as many at once as there is room for.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Surface;

/// Why a body was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than allowed.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
    /// It did not arrive whole.
    Broken(String),
    /// Too many bytes are held already.
    NoRoom,
}

/// A body, and its share of the bytes that may be held.
pub(super) type Held<'surface> = (Vec<u8>, Option<SemaphorePermit<'surface>>);

/// The whole body, if it is small and quick enough.
pub(super) async fn read<'surface>(
    body: Body,
    headers: &HeaderMap,
    surface: &'surface Surface,
    time: Duration,
) -> Result<Held<'surface>, Unread> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let bytes_max = surface.body_bytes_max;
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > bytes_max)) {
        return Err(Unread::TooLarge);
    }
    let collecting = collect(body, bytes_max, &surface.bodies);
    tokio::time::timeout(time, collecting).await.unwrap_or(Err(Unread::TooSlow))
}

/// Collects a body; room is taken for what has arrived, so that an announcement alone takes none.
async fn collect(mut body: Body, bytes_max: usize, room: &Semaphore) -> Result<Held<'_>, Unread> {
    let (mut bytes, mut held, mut held_kib): (Vec<u8>, Option<SemaphorePermit<'_>>, usize) = (Vec::new(), None, 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unread::Broken(format!("the body did not arrive whole: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len().saturating_add(data.len());
        if length > bytes_max {
            return Err(Unread::TooLarge);
        }
        let more_kib = length.div_ceil(1 << 10).saturating_sub(held_kib);
        let more = u32::try_from(more_kib).ok().and_then(|more| room.try_acquire_many(more).ok());
        let more = more.ok_or(Unread::NoRoom)?;
        held_kib = held_kib.saturating_add(more_kib);
        match &mut held {
            Some(held) => held.merge(more),
            None => held = Some(more),
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_takes_room_for_what_has_arrived_and_gives_it_back() {
        let room = Semaphore::new(3);
        let (bytes, held) = collect(Body::from(vec![b'x'; 1500]), 4096, &room).await.unwrap();
        assert_eq!((bytes.len(), room.available_permits()), (1500, 1));
        let full = collect(Body::from(vec![b'x'; 1025]), 4096, &room).await.unwrap_err();
        assert_eq!((full, room.available_permits()), (Unread::NoRoom, 1));
        let large = collect(Body::from(vec![b'x'; 4097]), 4096, &room).await.unwrap_err();
        assert_eq!(large, Unread::TooLarge);
        drop(held);
        assert_eq!(room.available_permits(), 3);
    }
}
