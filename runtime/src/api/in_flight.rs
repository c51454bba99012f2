//! Owns how many operations are at work at once. Refuses to know what they do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire::Fault;

use crate::limits::Sizes;

/// How long an operation waits for a place.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a search waits for a place: less than the minute after which the SDKs give up.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Places for what is at work. A place is given back by dropping it.
pub(crate) struct InFlight {
    operations: Arc<Semaphore>,
    searches: Arc<Semaphore>,
}

impl InFlight {
    pub(crate) fn new(sizes: &Sizes) -> InFlight {
        let places = |count: u64| {
            // Without a place nothing would ever be answered.
            let count = usize::try_from(count).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(count))
        };
        InFlight { operations: places(sizes.operations_in_flight), searches: places(sizes.function_searches) }
    }

    /// A place for an operation.
    ///
    /// # Errors
    /// ThrottlingException (503) where none gets free in 5 s.
    pub(crate) async fn operation(&self) -> Result<OwnedSemaphorePermit, Fault> {
        place(&self.operations, OPERATION_TIMEOUT, "operations_in_flight").await
    }

    /// A place for a search that asks functions.
    ///
    /// # Errors
    /// ThrottlingException (503) where none gets free in 30 s.
    pub(crate) async fn search(&self) -> Result<OwnedSemaphorePermit, Fault> {
        place(&self.searches, SEARCH_TIMEOUT, "function_searches").await
    }
}

async fn place(
    places: &Arc<Semaphore>,
    timeout: Duration,
    limit: &str,
) -> Result<OwnedSemaphorePermit, Fault> {
    match tokio::time::timeout(timeout, Arc::clone(places).acquire_owned()).await {
        Ok(Ok(place)) => Ok(place),
        // The semaphore is never closed: this is the timeout.
        _ => {
            let text = format!("Too much is at work: `limits.{limit}` is reached; try again.");
            Err(Fault::new("ThrottlingException", text).status(503).receiver())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_no_place_is_told_the_limit_and_a_place_comes_back() {
        let sizes = Sizes { operations_in_flight: 1, function_searches: 0, ..Sizes::default() };
        let places = InFlight::new(&sizes);
        let (operation, search) = (places.operation().await.unwrap(), places.search().await.unwrap());
        for all in [&places.operations, &places.searches] {
            let refused = place(all, Duration::from_millis(20), "the_limit").await.unwrap_err();
            assert_eq!(refused.code(), "ThrottlingException");
            assert!(refused.message().contains("`limits.the_limit`"), "{}", refused.message());
        }
        drop((operation, search));
        assert!(places.operation().await.is_ok() && places.search().await.is_ok());
    }
}
