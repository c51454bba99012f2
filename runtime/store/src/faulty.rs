//! Owns a disk in memory that fails on request and forgets what was not synced when the power goes.
//! Refuses to know the store; only tests use it.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};

/// A small generator, so that a seed tells the whole story (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    pub(crate) fn one_in(&mut self, end: u64) -> bool {
        self.below(end) == 0
    }
}

/// What goes wrong, counted in calls that change something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// From this call on nothing works any more; an append may still get a part down.
    pub(crate) power_cut_at: Option<u64>,
    /// The fsync at or after this call fails once, and its dirty pages are forgotten.
    pub(crate) sync_fails_at: Option<u64>,
    /// Any other call at or after this one fails once with EIO.
    pub(crate) call_fails_at: Option<u64>,
    /// All files together; beyond it appends are short.
    pub(crate) bytes_max: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    /// What the page cache says.
    current: Vec<u8>,
    /// What the platter says.
    durable: Vec<u8>,
    /// Pages a failed fsync dropped: readable until the power goes, never durable.
    lost: Vec<Range<usize>>,
}

type NameOp = Vec<(String, Option<usize>)>;

#[derive(Debug)]
struct World {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending: Vec<NameOp>,
    faults: Faults,
    calls: u64,
    dead: bool,
    dice: Dice,
}

/// The disk; clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct FaultyDisk(Arc<Mutex<World>>);

struct FaultyFile {
    disk: FaultyDisk,
    inode: usize,
}

fn eio() -> io::Error {
    io::Error::other("injected I/O error")
}

impl FaultyDisk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            faults: Faults::default(),
            calls: 0,
            dead: false,
            dice: Dice(seed),
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.world().faults = faults;
    }

    /// Calls so far that changed something.
    pub(crate) fn calls(&self) -> u64 {
        self.world().calls
    }

    /// A change elsewhere that shares the power supply; on a power cut `Err(true)` = it was made all the same.
    pub(crate) fn step(&self) -> Result<(), bool> {
        let mut world = self.world();
        let alive = !world.dead;
        world.call().map_err(|_| alive && world.dead && world.dice.one_in(2))
    }

    /// What a fresh boot finds: a disk without faults.
    pub(crate) fn after_power_cut(&self) -> Self {
        let mut world = self.world();
        world.dead = true;
        let mut dice = Dice(world.dice.roll());
        let mut names = world.durable_names.clone();
        let in_order = dice.one_in(2);
        let kept = dice.below(world.pending.len() as u64 + 1) as usize;
        for (index, op) in world.pending.iter().enumerate() {
            if if in_order { index < kept } else { dice.one_in(2) } {
                apply(&mut names, op);
            }
        }
        let inodes: Vec<Inode> = world.inodes.iter().map(|inode| inode.after_power_cut(&mut dice)).collect();
        Self::boot(inodes, names, dice)
    }

    /// What a fresh process finds when only the process died.
    pub(crate) fn after_kill(&self) -> Self {
        let mut world = self.world();
        world.dead = true;
        let dice = Dice(world.dice.roll());
        let fresh = Self::boot(world.inodes.clone(), world.names.clone(), dice);
        fresh.world().durable_names.clone_from(&world.durable_names);
        fresh.world().pending.clone_from(&world.pending);
        fresh
    }

    fn boot(inodes: Vec<Inode>, names: BTreeMap<String, usize>, dice: Dice) -> Self {
        Self(Arc::new(Mutex::new(World {
            inodes,
            durable_names: names.clone(),
            names,
            pending: Vec::new(),
            faults: Faults::default(),
            calls: 0,
            dead: false,
            dice,
        })))
    }

    /// The bytes of a file, for tests that damage it.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        let inode = world.names[name];
        let inode = &mut world.inodes[inode];
        change(&mut inode.current);
        inode.durable = inode.current.clone();
    }
}

fn apply(names: &mut BTreeMap<String, usize>, op: &NameOp) {
    for (name, inode) in op {
        match inode {
            Some(inode) => names.insert(name.clone(), *inode),
            None => names.remove(name),
        };
    }
}

impl Inode {
    fn after_power_cut(&self, dice: &mut Dice) -> Self {
        let (durable, current) = (self.durable.len(), self.current.len());
        if dice.one_in(3) || current < durable {
            let kept = if current < durable && dice.one_in(2) { &self.current } else { &self.durable };
            return Self { current: kept.clone(), durable: kept.clone(), lost: Vec::new() };
        }
        let end = durable + dice.below((current - durable) as u64 + 1) as usize;
        let mut bytes = self.current[..end].to_vec();
        bytes[..durable].copy_from_slice(&self.durable);
        // Pages of the tail arrive in any order: some of them never did.
        let mut page = durable;
        while page < end {
            let stop = end.min(page + 1 + dice.below(64) as usize);
            if dice.one_in(4) {
                bytes[page..stop].fill(0);
            }
            page = stop;
        }
        forget(&mut bytes, &self.lost);
        Self { current: bytes.clone(), durable: bytes, lost: Vec::new() }
    }
}

fn forget(bytes: &mut [u8], lost: &[Range<usize>]) {
    for range in lost {
        let end = range.end.min(bytes.len());
        bytes[range.start.min(end)..end].fill(0);
    }
}

impl World {
    /// Counts a call that changes something; says whether the power goes with it.
    fn call(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(eio());
        }
        self.calls += 1;
        if self.faults.power_cut_at.is_some_and(|at| self.calls >= at) {
            self.dead = true;
            return Err(eio());
        }
        if self.faults.call_fails_at.is_some_and(|at| self.calls >= at) {
            self.faults.call_fails_at = None;
            return Err(eio());
        }
        Ok(())
    }

    fn name(&mut self, op: NameOp) {
        apply(&mut self.names, &op);
        self.pending.push(op);
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Disk for FaultyDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut world = self.world();
        world.call()?;
        if world.names.contains_key(name) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let inode = world.inodes.len();
        world.inodes.push(Inode::default());
        world.name(vec![(name.to_owned(), Some(inode))]);
        Ok(Box::new(FaultyFile { disk: self.clone(), inode }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.world().find(name)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), inode }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.world().names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world();
        world.call()?;
        let inode = world.find(from)?;
        world.name(vec![(from.to_owned(), None), (to.to_owned(), Some(inode))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world();
        world.call()?;
        world.find(name)?;
        world.name(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = self.world();
        world.call()?;
        world.durable_names = world.names.clone();
        world.pending.clear();
        Ok(())
    }
}

impl DiskFile for FaultyFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.disk.world();
        let alive = !world.dead;
        if let Err(error) = world.call() {
            if alive {
                let part = world.dice.below(bytes.len() as u64 + 1) as usize;
                world.inodes[self.inode].current.extend_from_slice(&bytes[..part]);
            }
            return Err(error);
        }
        let used: u64 = world.names.values().map(|&inode| world.inodes[inode].current.len() as u64).sum();
        let room = world.faults.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(used));
        let part = (bytes.len() as u64).min(room) as usize;
        world.inodes[self.inode].current.extend_from_slice(&bytes[..part]);
        if part < bytes.len() { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.disk.world();
        world.call()?;
        let fails = world.faults.sync_fails_at.is_some_and(|at| world.calls >= at);
        if fails {
            world.faults.sync_fails_at = None;
        }
        let inode = &mut world.inodes[self.inode];
        if fails {
            let dirty = inode.durable.len().min(inode.current.len())..inode.current.len();
            inode.lost.push(dirty);
            return Err(eio());
        }
        let mut bytes = inode.current.clone();
        forget(&mut bytes, &inode.lost);
        inode.durable = bytes;
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let world = self.disk.world();
        let bytes = &world.inodes[self.inode].current;
        let start = offset as usize;
        let found = bytes.get(start..start + buffer.len());
        buffer.copy_from_slice(found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.world().inodes[self.inode].current.len() as u64)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.call()?;
        let inode = &mut world.inodes[self.inode];
        inode.current.truncate(size as usize);
        Ok(())
    }
}
