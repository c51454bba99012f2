//! Owns the API of EventBridge Scheduler: its five operations on schedules. Refuses to know when a schedule is due
//! (`schedules`), and by name what Logboom does not have: groups but the default one, targets but functions, tags.

mod change;
mod lookup;
mod read;
mod shown;

use super::table::Operation;

/// The families of this service.
pub(crate) const FAMILIES: &[&[Operation]] = &[change::OPERATIONS, read::OPERATIONS];
