//! Owns what the system's scheduler is told about threads: those that answer requests take short turns and so come soon,
//! those of guests stand behind them, and both guests and the sealer leave them some cores. Refuses to know what any of them do.
//!
//! Linux lets whatever runs finish its turn (some milliseconds) before what wakes up meanwhile comes, whoever stands behind
//! whom; only what takes shorter turns comes at once (EEVDF, `sched_setattr(2)`, Linux 6.12 and newer). A commit waits for
//! the disk and wakes up three times, each time perhaps behind a guest. Other systems and older ones ignore the turns.

/// How many steps of niceness guests stand behind: a share of a quarter of a core that a request wants too.
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

/// What a thread does first that is to keep off the last `left` of the cores that the one that asks here has, where others
/// remain.
#[cfg(target_os = "linux")]
pub(crate) fn aside(left: usize) -> impl Fn() + Send + Sync + 'static {
    use rustix::thread::{sched_getaffinity, sched_setaffinity};
    let cores = sched_getaffinity(None).map(|all| (all, linux::without_last(all, left)));
    if let Err(error) = &cores {
        tracing::warn!(%error, "what works in the background runs on the cores of requests");
    }
    // Who may run anywhere may do so too on cores that the process gets later.
    let cores = cores.ok().filter(|(all, some)| all != some).map(|(_, some)| some);
    move || {
        if let Some(Err(error)) = cores.map(|cores| sched_setaffinity(None, &cores)) {
            tracing::debug!(%error, "a thread in the background runs on the cores of requests");
        }
    }
}

/// What a thread does first that is to stand behind the one that asks here, whoever starts it, and [`aside`]. Its turns are
/// as long as usual.
#[cfg(target_os = "linux")]
pub(crate) fn behind(left: usize) -> impl Fn() + Send + Sync + 'static {
    use rustix::process::{getpriority_process, setpriority_process};
    // Of threads here, not of processes.
    let wanted = getpriority_process(None).map(|now| (now + BEHIND).min(19));
    let aside = aside(left);
    move || {
        if let Err(error) = wanted.and_then(|wanted| setpriority_process(None, wanted)) {
            tracing::warn!(%error, "guests run at the priority of requests");
        }
        aside();
        linux::take_turns_of(0);
    }
}

/// What a thread does first that is to keep off some cores.
#[cfg(not(target_os = "linux"))]
pub(crate) fn aside(_left: usize) -> impl Fn() + Send + Sync + 'static {
    || {}
}

/// What a thread does first that is to stand behind.
#[cfg(not(target_os = "linux"))]
pub(crate) fn behind(_left: usize) -> impl Fn() + Send + Sync + 'static {
    || {}
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "no library has these two calls")]
mod linux {
    use std::io;

    use libc::{SCHED_BATCH, SCHED_OTHER, SYS_sched_getattr, SYS_sched_setattr, sched_attr};
    use rustix::thread::CpuSet;

    const SIZE: u32 = size_of::<sched_attr>() as u32;

    /// The cores but the last `left`, at least the first.
    pub(super) fn without_last(cores: CpuSet, left: usize) -> CpuSet {
        let mut some = CpuSet::new();
        let kept = (cores.count() as usize).saturating_sub(left).max(1);
        (0..CpuSet::MAX_CPU).filter(|core| cores.is_set(*core)).take(kept).for_each(|core| some.set(core));
        some
    }

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
            let stand = behind(1);
            let twice = move || {
                come_soon();
                stand();
                stand();
            };
            let expected = ((niceness + BEHIND).min(19), usual);
            assert_eq!(started(Box::new(twice)), (expected, expected));
            assert_eq!(now(), (niceness, usual), "this thread is as it was");
        }

        #[test]
        fn guests_keep_off_the_last_cores_and_have_one_at_least() {
            let cores = |numbers: &[usize]| {
                let mut cores = CpuSet::new();
                numbers.iter().for_each(|core| cores.set(*core));
                cores
            };
            let allowed = cores(&[0, 2, 5]);
            let kept: [&[usize]; 4] = [&[0, 2, 5], &[0, 2], &[0], &[0]];
            for (left, kept) in kept.into_iter().enumerate() {
                assert_eq!(without_last(allowed, left), cores(kept), "{left} left");
            }
            let own = || rustix::thread::sched_getaffinity(None).unwrap();
            let now = own();
            let there = std::thread::spawn(move || {
                behind(1)();
                own()
            });
            assert_eq!(there.join().unwrap(), without_last(now, 1));
            assert_eq!(own(), now, "this thread is as it was");
        }
    }
}
