//! Owns what all operations on schedules refuse: groups there are none of, and members that would be ignored. Refuses
//! to know operations.

use wire::Fault;

/// The one group there is.
pub(super) const GROUP: &str = "default";

/// Refuses any group but the default one.
///
/// # Errors
/// `ResourceNotFoundException`, as for a group that does not exist.
pub(super) fn check_group(name: Option<&str>) -> Result<(), Fault> {
    match name {
        None | Some(GROUP) => Ok(()),
        Some(other) => {
            let text = format!("Schedule group {other} does not exist.");
            Err(Fault::new("ResourceNotFoundException", text).status(404))
        }
    }
}

/// Refuses members that Logboom has nothing behind.
///
/// # Errors
/// `ValidationException` that names the first that is given.
pub(super) fn check_absent(members: &[(&str, bool)]) -> Result<(), Fault> {
    match members.iter().find(|(_, given)| *given) {
        Some((name, _)) => {
            let text = format!("{name} is not supported by Logboom: a schedule calls a function.");
            Err(Fault::new("ValidationException", text).status(400))
        }
        None => Ok(()),
    }
}
