//! The world `cron-handler`.

use super::Exported;
use crate::generated::scheduled::exports::logboom::extension::scheduled::Guest;
use crate::{HandlerError, Tick};

/// Runs on a schedule.
pub trait Scheduled {
    /// Handles one run; `tick.due_at` is when it was due.
    ///
    /// # Errors
    /// [`HandlerError`]: the run is tried again, or never.
    fn handle(tick: &Tick) -> Result<(), HandlerError>;
}

impl<T: Scheduled> Guest for Exported<T> {
    fn handle(tick: Tick) -> Result<(), HandlerError> {
        super::entry::enter();
        T::handle(&tick)
    }
}
