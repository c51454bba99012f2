//! Owns how it is remembered that a call was made, so that a crash between its effects and the end of its delivery
//! does not repeat it. Refuses to know what the effects are.

use super::NotReady;
use crate::app::App;
use crate::meta::{MetaError, Tx};
use crate::records::calls::{self, Made, Part};

/// Who hands a call over again after a crash, and so has to know that it was made.
#[derive(Clone, Debug, Default)]
pub(crate) enum Once {
    /// Nobody: its caller waits for the answer, or it changes nothing.
    #[default]
    Not,
    /// A delivery of log events.
    Events(Handed),
    /// A row of the outbox, by [`calls::single`]'s key.
    Outbox(String),
}

/// Events of a delivery, handed over in one call.
#[derive(Clone, Debug)]
pub(crate) struct Handed {
    /// Whose delivery it is.
    pub(crate) consumer: String,
    /// The stream of the events.
    pub(crate) stream: u64,
    /// See [`Part::round`].
    pub(crate) round: u32,
    /// Their positions, rising.
    pub(crate) positions: Vec<u64>,
}

impl Once {
    /// Writes that the call was made, in the change of its effects. `again` are the events that the function wants
    /// again, by index.
    ///
    /// # Errors
    /// Storage failures.
    pub(super) fn remember(&self, tx: &mut Tx<'_>, again: &[u32], made: Made) -> Result<(), MetaError> {
        match self {
            Once::Not => Ok(()),
            Once::Outbox(key) => calls::put_single(tx, key, &made),
            Once::Events(Handed { consumer, stream, round, positions }) => {
                let (Some(&first), Some(&last)) = (positions.first(), positions.last()) else {
                    return Ok(());
                };
                let again = again.iter().filter_map(|index| positions.get(*index as usize)).copied();
                let (stream, round, again) = (*stream, *round, again.collect());
                calls::put(tx, consumer, &Part { stream, first, last, round, again, made: Some(made) })
            }
        }
    }

    /// Whether the call of an outbox row was made before. Deliveries of events ask for all their calls at once
    /// ([`calls::of`]).
    ///
    /// # Errors
    /// Storage failures.
    pub(super) fn is_made(&self, app: &App) -> Result<bool, NotReady> {
        match self {
            Once::Outbox(key) => Ok(app.meta.read(|tx| calls::single(tx, key))?.is_some()),
            Once::Not | Once::Events(_) => Ok(false),
        }
    }
}
