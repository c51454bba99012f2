//! The world `alarm-handler`.

use super::Exported;
use crate::generated::alarm_action::exports::logboom::extension::alarm_action::Guest;
use crate::{AlarmEvent, HandlerError};

/// Runs when an alarm changes state.
pub trait AlarmAction {
    /// Handles one change.
    ///
    /// # Errors
    /// [`HandlerError`]: the change is handed over again, or never.
    fn handle(event: &AlarmEvent) -> Result<(), HandlerError>;
}

impl<T: AlarmAction> Guest for Exported<T> {
    fn handle(event: AlarmEvent) -> Result<(), HandlerError> {
        super::entry::enter();
        T::handle(&event)
    }
}
