//! Owns how much of a request is taken in: per request, and all requests together. Refuses to know formats.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Sizes;

/// How long a body waits for room.
const ROOM_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may take before its body has to come at `BYTES_PER_SECOND_MIN`.
const GRACE: Duration = Duration::from_secs(10);

/// The least speed at which a body may come, `GRACE` aside: it holds its room for so long at most.
const BYTES_PER_SECOND_MIN: u32 = 32 << 10;

/// How long the rest of a refused body is read.
const DROP_TIMEOUT: Duration = Duration::from_secs(30);

/// What is read and dropped of a body that is too large, so that its sender is there to be told; one that
/// sends more is cut off.
const DROPPED_BYTES_MAX: u64 = 64 << 20;

/// Permits are counted in this unit, so that they fit a semaphore.
const UNIT_BYTES: u64 = 1 << 10;

/// From so many bytes on a body of Lambda's is large: it takes about 0.2 ms to read.
const LARGE_BYTES: usize = 64 << 10;

/// Paths of Lambda's rest-json begin with its API version, all others are `/` or `/service/...`.
const LAMBDA_VERSIONS: &str = "/20";

/// The room of all services but Lambda, and Lambda's: a few large archives must not hold up log events.
pub(super) struct Bodies {
    request: Pool,
    lambda: Pool,
}

struct Pool {
    bytes_max: u64,
    room: Arc<Semaphore>,
}

/// A whole body and the room it takes until dropped.
pub(crate) struct Taken {
    pub(crate) bytes: Bytes,
    pub(crate) room: OwnedSemaphorePermit,
    /// It is Lambda's and large, code or a payload: nothing for the threads that answer.
    pub(crate) is_large: bool,
}

/// Why a body was not taken in.
#[derive(Debug)]
pub(super) enum Refused {
    TooLarge { bytes_max: u64 },
    TooSlow,
    NoRoom { limit: &'static str },
    Broken,
}

impl Refused {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refused::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refused::NoRoom { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Refused::Broken => StatusCode::BAD_REQUEST,
        }
    }

    /// AWS's error code.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Refused::TooLarge { .. } => "RequestEntityTooLargeException",
            Refused::TooSlow => "RequestTimeoutException",
            Refused::NoRoom { .. } => "ServiceUnavailableException",
            Refused::Broken => "SerializationException",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooLarge { bytes_max } => write!(f, "the request body is larger than {bytes_max} bytes"),
            Refused::TooSlow => f.write_str("the request body did not arrive in time"),
            Refused::NoRoom { limit } => {
                write!(f, "too many request bodies are arriving: `limits.{limit}` is reached; try again")
            }
            Refused::Broken => f.write_str("the request body could not be read"),
        }
    }
}

impl Bodies {
    pub(super) fn new(sizes: &Sizes) -> Bodies {
        Bodies {
            request: Pool::new(sizes.request_bytes, sizes.requests_in_flight_bytes),
            lambda: Pool::new(sizes.lambda_request_bytes, sizes.lambda_requests_in_flight_bytes),
        }
    }

    pub(super) async fn read(&self, path: &str, incoming: Incoming) -> Result<Taken, Refused> {
        if path.starts_with(LAMBDA_VERSIONS) {
            let taken = self.lambda.read(incoming, "lambda_requests_in_flight_bytes").await?;
            Ok(Taken { is_large: taken.bytes.len() >= LARGE_BYTES, ..taken })
        } else {
            self.request.read(incoming, "requests_in_flight_bytes").await
        }
    }
}

impl Pool {
    fn new(bytes_max: u64, in_flight: u64) -> Pool {
        let units = in_flight.max(bytes_max).div_ceil(UNIT_BYTES);
        let units = usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Pool { bytes_max, room: Arc::new(Semaphore::new(units)) }
    }

    async fn read(&self, mut incoming: Incoming, limit: &'static str) -> Result<Taken, Refused> {
        let bytes_max = self.bytes_max;
        let announced = incoming.size_hint();
        if announced.lower() > bytes_max {
            drop_rest(incoming).await;
            return Err(Refused::TooLarge { bytes_max });
        }
        // Chunked bodies do not say how long they are: room is taken for the longest.
        let longest = announced.upper().unwrap_or(bytes_max).min(bytes_max);
        let Some(mut room) = self.room(longest, ROOM_TIMEOUT).await else {
            drop_rest(incoming).await;
            return Err(Refused::NoRoom { limit });
        };
        let mut bytes = BytesMut::with_capacity(usize::try_from(announced.lower()).unwrap_or(0));
        let mut late = std::pin::pin!(tokio::time::sleep(GRACE));
        loop {
            let frame = tokio::select! {
                frame = incoming.frame() => frame,
                () = late.as_mut() => return Err(Refused::TooSlow),
            };
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|_| Refused::Broken)?;
            if let Ok(data) = frame.into_data() {
                if (bytes.len() + data.len()) as u64 > bytes_max {
                    drop(room);
                    drop_rest(incoming).await;
                    return Err(Refused::TooLarge { bytes_max });
                }
                bytes.extend_from_slice(&data);
                let earned = Duration::from_secs(data.len() as u64) / BYTES_PER_SECOND_MIN;
                let deadline = late.deadline() + earned;
                late.as_mut().reset(deadline);
            }
        }
        // What was taken for a body that turned out shorter.
        let surplus = room.num_permits().saturating_sub(bytes.capacity().div_ceil(UNIT_BYTES as usize));
        drop(room.split(surplus));
        Ok(Taken { bytes: bytes.freeze(), room, is_large: false })
    }

    /// Room for so many bytes; `None` where none gets free in time.
    async fn room(&self, bytes: u64, timeout: Duration) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(units);
        // The semaphore is never closed.
        tokio::time::timeout(timeout, room).await.ok()?.ok()
    }
}

async fn drop_rest(mut incoming: Incoming) {
    if incoming.size_hint().lower() > DROPPED_BYTES_MAX {
        return;
    }
    let dropping = async {
        let mut dropped = 0;
        while dropped <= DROPPED_BYTES_MAX {
            match incoming.frame().await {
                Some(Ok(frame)) => dropped += frame.data_ref().map_or(0, |data| data.len() as u64),
                _ => return,
            }
        }
    };
    // A sender that takes longer is cut off too.
    let _ended = tokio::time::timeout(DROP_TIMEOUT, dropping).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_pool_that_is_full_is_waited_for_and_then_refused_and_the_other_is_not_touched() {
        let sizes = Sizes {
            request_bytes: 10 << 10,
            requests_in_flight_bytes: 20 << 10,
            lambda_request_bytes: 70 << 10,
            lambda_requests_in_flight_bytes: 0,
            ..Sizes::default()
        };
        let bodies = Bodies::new(&sizes);
        let all = bodies.lambda.room(70 << 10, SOON).await.expect("one body always fits");
        assert!(bodies.lambda.room(1, SOON).await.is_none());
        assert!(bodies.lambda.room(0, SOON).await.is_some(), "no body needs no room");
        let one = bodies.request.room(10 << 10, SOON).await.expect("Lambda's room is another");
        let two = bodies.request.room(10 << 10, SOON).await.expect("two fit");
        assert!(bodies.request.room(1, SOON).await.is_none());
        drop((all, two));
        assert!(bodies.request.room(10 << 10, SOON).await.is_some());
        assert!(bodies.lambda.room(70 << 10, SOON).await.is_some());
        drop(one);
    }
}
