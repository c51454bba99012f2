//! Owns a disk in memory that fails on request and forgets what was not synced when the power goes.
//! Refuses to know the store; only tests use it, those of the process as a whole included.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};

/// A small generator, so that a seed tells the whole story (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    /// True once in `end` times.
    pub fn one_in(&mut self, end: u64) -> bool {
        self.below(end) == 0
    }
}

/// What goes wrong, counted in calls that change something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// From this call on nothing works any more; an append may still get a part down.
    pub power_cut_at: Option<u64>,
    /// The fsync at or after this call fails once, and its dirty pages are forgotten.
    pub sync_fails_at: Option<u64>,
    /// Any other call at or after this one fails once with EIO.
    pub call_fails_at: Option<u64>,
    /// All files together; beyond it appends are short.
    pub bytes_max: Option<u64>,
}

/// Bytes that reach the platter together when a page in the middle of a file is written over.
const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
struct Inode {
    /// What the page cache says.
    current: Vec<u8>,
    /// What the platter says.
    durable: Vec<u8>,
    /// Written since the last fsync, in order: where, and the bytes. A failed fsync forgets them: they stay
    /// readable until the power goes and are never durable.
    dirty: Vec<(usize, Vec<u8>)>,
    /// The length was set since the last fsync: after a power cut it is the old one or the new one.
    resized: bool,
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

/// A folder of the disk; clones are the same folder.
#[derive(Clone, Debug)]
pub struct FaultyDisk {
    world: Arc<Mutex<World>>,
    /// What the names of this folder begin with.
    folder: String,
}

/// An open file, for writing anywhere in it.
#[derive(Debug)]
pub struct FaultyFile {
    disk: FaultyDisk,
    inode: usize,
}

fn eio() -> io::Error {
    io::Error::other("injected I/O error")
}

impl FaultyDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self::of(World {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            faults: Faults::default(),
            calls: 0,
            dead: false,
            dice: Dice(seed),
        })
    }

    fn of(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)), folder: String::new() }
    }

    /// A folder of this one, on the same disk and the same power supply.
    pub fn folder(&self, name: &str) -> Self {
        Self { world: Arc::clone(&self.world), folder: format!("{}{name}/", self.folder) }
    }

    /// Opens a file for writing anywhere in it; makes it (durably named) if it is missing.
    pub fn file(&self, name: &str) -> io::Result<FaultyFile> {
        let found = self.world().find(&self.path(name));
        let inode = match found {
            Ok(inode) => inode,
            Err(_) => {
                let inode = self.make(name)?;
                self.sync_dir()?;
                inode
            }
        };
        Ok(FaultyFile { disk: self.clone(), inode })
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }

    fn make(&self, name: &str) -> io::Result<usize> {
        let path = self.path(name);
        let mut world = self.world();
        world.call()?;
        if world.names.contains_key(&path) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let inode = world.inodes.len();
        world.inodes.push(Inode::default());
        world.name(vec![(path, Some(inode))]);
        Ok(inode)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to go wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.world().faults = faults;
    }

    /// Calls so far that changed something.
    pub fn calls(&self) -> u64 {
        self.world().calls
    }

    /// A change elsewhere that shares the power supply; on a power cut `Err(true)` = it was made all the same.
    pub fn step(&self) -> Result<(), bool> {
        let mut world = self.world();
        let alive = !world.dead;
        world.call().map_err(|_| alive && world.dead && world.dice.one_in(2))
    }

    /// What a fresh boot finds: a disk without faults.
    pub fn after_power_cut(&self) -> Self {
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
        self.boot(inodes, names, dice)
    }

    /// What a fresh process finds when only the process died.
    pub fn after_kill(&self) -> Self {
        let mut world = self.world();
        world.dead = true;
        let dice = Dice(world.dice.roll());
        let fresh = self.boot(world.inodes.clone(), world.names.clone(), dice);
        fresh.world().durable_names.clone_from(&world.durable_names);
        fresh.world().pending.clone_from(&world.pending);
        fresh
    }

    fn boot(&self, inodes: Vec<Inode>, names: BTreeMap<String, usize>, dice: Dice) -> Self {
        let fresh = Self::of(World {
            inodes,
            durable_names: names.clone(),
            names,
            pending: Vec::new(),
            faults: Faults::default(),
            calls: 0,
            dead: false,
            dice,
        });
        Self { folder: self.folder.clone(), ..fresh }
    }

    /// The bytes of a file, for tests that damage it.
    ///
    /// # Panics
    /// There is no such file.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        let inode = world.names[&self.path(name)];
        let inode = &mut world.inodes[inode];
        change(&mut inode.current);
        inode.durable = inode.current.clone();
        inode.dirty.clear();
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
        if dice.one_in(3) {
            let bytes = self.durable.clone();
            return Self { current: bytes.clone(), durable: bytes, ..Self::default() };
        }
        let end = if current < durable || self.resized {
            if dice.one_in(2) { current } else { durable }
        } else {
            durable + dice.below((current - durable) as u64 + 1) as usize
        };
        let mut bytes = self.durable.clone();
        bytes.resize(end, 0);
        // What was written arrives in any order and in pieces: some of them never did.
        for (at, written) in &self.dirty {
            let mut from = 0;
            while from < written.len() {
                let piece =
                    if *at < durable { SECTOR - (at + from) % SECTOR } else { 1 + dice.below(64) as usize };
                let stop = written.len().min(from + piece);
                if !dice.one_in(4) {
                    put(&mut bytes, at + from, &written[from..stop]);
                }
                from = stop;
            }
        }
        Self { current: bytes.clone(), durable: bytes, ..Self::default() }
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        if self.current.len() < at + bytes.len() {
            self.current.resize(at + bytes.len(), 0);
        }
        put(&mut self.current, at, bytes);
        self.dirty.push((at, bytes.to_vec()));
    }

    fn set_size(&mut self, size: usize) {
        let before = self.current.len();
        self.resized = true;
        if size > before {
            return self.write(before, &vec![0; size - before]);
        }
        self.current.truncate(size);
        self.dirty.retain(|(at, _)| *at < size);
        for (at, bytes) in &mut self.dirty {
            bytes.truncate(size - *at);
        }
    }

    fn sync(&mut self) {
        self.durable.resize(self.current.len(), 0);
        self.resized = false;
        for (at, bytes) in self.dirty.drain(..) {
            put(&mut self.durable, at, &bytes);
        }
    }
}

/// Copies what fits.
fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    let at = at.min(into.len());
    let end = into.len().min(at + bytes.len());
    into[at..end].copy_from_slice(&bytes[..end - at]);
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

    /// Bytes of all files.
    fn used(&self) -> u64 {
        self.names.values().map(|&inode| self.inodes[inode].current.len() as u64).sum()
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
        Ok(Box::new(FaultyFile { disk: self.clone(), inode: self.make(name)? }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.world().find(&self.path(name))?;
        Ok(Box::new(FaultyFile { disk: self.clone(), inode }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let world = self.world();
        let inside = world.names.keys().filter_map(|path| path.strip_prefix(&self.folder));
        Ok(inside.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world();
        world.call()?;
        let inode = world.find(&self.path(from))?;
        world.name(vec![(self.path(from), None), (self.path(to), Some(inode))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world();
        world.call()?;
        world.find(&self.path(name))?;
        world.name(vec![(self.path(name), None)]);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = self.world();
        world.call()?;
        world.durable_names = world.names.clone();
        world.pending.clear();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let world = self.world();
        Ok(world.faults.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(world.used())))
    }
}

impl FaultyFile {
    /// Writes at an offset, making the file longer where it ends before. When the power goes, a part may be
    /// written; on a full disk too.
    ///
    /// # Errors
    /// What was asked for with [`Faults`].
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.disk.world();
        let at = offset as usize;
        let alive = !world.dead;
        if let Err(error) = world.call() {
            if alive {
                let part = world.dice.below(bytes.len() as u64 + 1) as usize;
                world.inodes[self.inode].write(at, &bytes[..part]);
            }
            return Err(error);
        }
        let used = world.used();
        let room = world.faults.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(used));
        let size = world.inodes[self.inode].current.len();
        let over = size.saturating_sub(at);
        let part = (bytes.len() as u64).min(room.saturating_add(over as u64)) as usize;
        world.inodes[self.inode].write(at, &bytes[..part]);
        if part < bytes.len() { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    /// Makes the file this long, with zeros behind its old end.
    ///
    /// # Errors
    /// What was asked for with [`Faults`].
    pub fn set_size(&self, size: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.call()?;
        let used = world.used();
        let before = world.inodes[self.inode].current.len() as u64;
        if size > before && world.faults.bytes_max.is_some_and(|max| used - before + size > max) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        world.inodes[self.inode].set_size(size as usize);
        Ok(())
    }
}

impl DiskFile for FaultyFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let end = self.size()?;
        self.write_at(end, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        FaultyFile::write_at(self, offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.disk.world();
        world.call()?;
        let fails = world.faults.sync_fails_at.is_some_and(|at| world.calls >= at);
        if fails {
            world.faults.sync_fails_at = None;
            world.inodes[self.inode].dirty.clear();
            return Err(eio());
        }
        world.inodes[self.inode].sync();
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
        world.inodes[self.inode].set_size(size as usize);
        Ok(())
    }
}
