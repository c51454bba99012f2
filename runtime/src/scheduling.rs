//! Owns what the system's scheduler is told about threads: those that answer requests take short turns and so come soon,
//! those of guests stand behind them. Refuses to know what either do.
//!
//! Linux lets whatever runs finish its turn (some milliseconds) before what wakes up meanwhile comes, whoever stands behind
//! whom; only what takes shorter turns comes at once (EEVDF, `sched_setattr(2)`, Linux 6.12 and newer). A commit waits for
//! the disk and wakes up three times, each time perhaps behind a guest. Other systems and older ones ignore the turns.

/// How many steps of niceness guests stand behind: a share of one third of a core that a request wants too.
#[cfg(target_os = "linux")]
pub(crate) const BEHIND: i32 = 5;

/// The turn of a thread that answers: the shortest there is.
#[cfg(target_os = "linux")]
const SHORT_NS: u64 = 100_000;

/// This thread, and those that it starts, come soon when they wake up.
pub(crate) fn come_soon() {
    #[cfg(target_os = "linux")]
    linux::take_turns_of(SHORT_NS);
}

/// What a thread does first that is to stand behind the one that asks here, whoever starts it. Its turns are as long as
/// usual.
#[cfg(target_os = "linux")]
pub(crate) fn behind() -> impl Fn() + Send + Sync + 'static {
    use rustix::process::{getpriority_process, setpriority_process};
    // Of threads here, not of processes.
    let wanted = getpriority_process(None).map(|now| (now + BEHIND).min(19));
    move || {
        if let Err(error) = wanted.and_then(|wanted| setpriority_process(None, wanted)) {
            tracing::warn!(%error, "guests run at the priority of requests");
        }
        linux::take_turns_of(0);
    }
}

/// What a thread does first that is to stand behind.
#[cfg(not(target_os = "linux"))]
pub(crate) fn behind() -> impl Fn() + Send + Sync + 'static {
    || {}
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "no library has these two calls")]
mod linux {
    use std::io;

    use libc::{SCHED_BATCH, SCHED_OTHER, SYS_sched_getattr, SYS_sched_setattr, sched_attr};

    const SIZE: u32 = size_of::<sched_attr>() as u32;

    /// This thread, and those that it starts, take turns of that length; 0 = the usual one. Who started the process may
    /// have chosen a policy without turns: then that stays.
    pub(super) fn take_turns_of(length_ns: u64) {
        let changed = get().and_then(|attributes| {
            if ![SCHED_OTHER, SCHED_BATCH].contains(&attributes.sched_policy.cast_signed()) {
                return Ok(());
            }
            set(&sched_attr { sched_runtime: length_ns, ..attributes })
        });
        if let Err(error) = changed {
            tracing::debug!(%error, "a thread takes turns as any other");
        }
    }

    /// How this thread is scheduled.
    pub(super) fn get() -> io::Result<sched_attr> {
        let mut attributes = sched_attr {
            size: SIZE,
            sched_policy: 0,
            sched_flags: 0,
            sched_nice: 0,
            sched_priority: 0,
            sched_runtime: 0,
            sched_deadline: 0,
            sched_period: 0,
        };
        // SAFETY: the kernel writes at most SIZE bytes to a place of that size; 0 is this thread.
        let outcome = unsafe { libc::syscall(SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
        attributes.size = SIZE;
        if outcome == 0 { Ok(attributes) } else { Err(io::Error::last_os_error()) }
    }

    fn set(attributes: &sched_attr) -> io::Result<()> {
        // SAFETY: the kernel reads `size` bytes, which are there; 0 is this thread.
        let outcome = unsafe { libc::syscall(SYS_sched_setattr, 0, &raw const *attributes, 0) };
        if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::scheduling::{BEHIND, SHORT_NS, behind, come_soon};

        #[test]
        fn threads_are_scheduled_as_those_that_start_them_and_behind_as_was_said() {
            let now = || get().map(|found| (found.sched_nice, found.sched_runtime)).unwrap();
            let started = |first: Box<dyn Fn() + Send>| {
                let both = move || {
                    first();
                    (now(), std::thread::spawn(now).join().unwrap())
                };
                std::thread::spawn(both).join().unwrap()
            };
            let (niceness, usual) = now();
            let (own, theirs) = started(Box::new(come_soon));
            assert_eq!((own, own.0), (theirs, niceness));
            // Before Linux 6.12 there is one turn for all.
            assert!(own.1 == usual || own.1 == SHORT_NS, "{own:?}");
            let stand = behind();
            let twice = move || {
                come_soon();
                stand();
                stand();
            };
            let expected = ((niceness + BEHIND).min(19), usual);
            assert_eq!(started(Box::new(twice)), (expected, expected));
            assert_eq!(now(), (niceness, usual), "this thread is as it was");
        }
    }
}
