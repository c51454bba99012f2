//! Owns how much of a request is taken in: per request, and all requests together. Refuses to know formats.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::Sizes;

/// How long a client may pause within a body.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// What is read and dropped of a body that is too large, so that its sender is there to be told; one that
/// sends more is cut off.
const DROPPED_BYTES_MAX: u64 = 64 << 20;

/// Permits are counted in this unit, so that they fit a semaphore.
const UNIT_BYTES: u64 = 1 << 10;

/// Paths of Lambda's rest-json begin with its API version, all others are `/` or `/service/...`.
const LAMBDA_VERSIONS: &str = "/20";

pub(super) struct Bodies {
    request_bytes: u64,
    lambda_request_bytes: u64,
    room: Semaphore,
}

/// A whole body and the room it takes until dropped.
pub(super) struct Taken<'a> {
    pub(super) bytes: Bytes,
    _room: SemaphorePermit<'a>,
}

/// Why a body was not taken in.
#[derive(Debug)]
pub(super) enum Refused {
    TooLarge { bytes_max: u64 },
    TooSlow,
    Broken,
}

impl Refused {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refused::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refused::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooLarge { bytes_max } => write!(f, "the request body is larger than {bytes_max} bytes"),
            Refused::TooSlow => f.write_str("the request body did not arrive in time"),
            Refused::Broken => f.write_str("the request body could not be read"),
        }
    }
}

impl Bodies {
    pub(super) fn new(sizes: &Sizes) -> Bodies {
        let largest = sizes.request_bytes.max(sizes.lambda_request_bytes);
        let units = sizes.requests_in_flight_bytes.max(largest).div_ceil(UNIT_BYTES);
        let units = usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Bodies {
            request_bytes: sizes.request_bytes,
            lambda_request_bytes: sizes.lambda_request_bytes,
            room: Semaphore::new(units),
        }
    }

    pub(super) async fn read(&self, path: &str, mut incoming: Incoming) -> Result<Taken<'_>, Refused> {
        let bytes_max =
            if path.starts_with(LAMBDA_VERSIONS) { self.lambda_request_bytes } else { self.request_bytes };
        let announced = incoming.size_hint();
        if announced.lower() > bytes_max {
            drop_rest(incoming).await;
            return Err(Refused::TooLarge { bytes_max });
        }
        // Chunked bodies do not say how long they are: room is taken for the longest.
        let room = announced.upper().unwrap_or(bytes_max).min(bytes_max).div_ceil(UNIT_BYTES);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        // The semaphore is never closed; were it, the body could not be taken.
        let room = self.room.acquire_many(room).await.map_err(|_| Refused::Broken)?;
        let mut bytes = BytesMut::with_capacity(usize::try_from(announced.lower()).unwrap_or(0));
        loop {
            let piece = tokio::time::timeout(PIECE_TIMEOUT, incoming.frame()).await;
            let Some(frame) = piece.map_err(|_| Refused::TooSlow)? else { break };
            let frame = frame.map_err(|_| Refused::Broken)?;
            if let Ok(data) = frame.into_data() {
                if (bytes.len() + data.len()) as u64 > bytes_max {
                    drop_rest(incoming).await;
                    return Err(Refused::TooLarge { bytes_max });
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(Taken { bytes: bytes.freeze(), _room: room })
    }
}

async fn drop_rest(mut incoming: Incoming) {
    if incoming.size_hint().lower() > DROPPED_BYTES_MAX {
        return;
    }
    let mut dropped = 0;
    while dropped <= DROPPED_BYTES_MAX {
        match tokio::time::timeout(PIECE_TIMEOUT, incoming.frame()).await {
            Ok(Some(Ok(frame))) => dropped += frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => return,
        }
    }
}
