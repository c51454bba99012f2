//! Owns a list of byte strings in one buffer. Refuses to know what they mean.

/// The values of one column, in the order of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strings {
    pub(crate) text: Vec<u8>,
    /// Value `i` ends at `ends[i]` and starts where the one before it ends.
    pub(crate) ends: Vec<u32>,
}

impl Strings {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    #[inline]
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.text.extend_from_slice(value);
        self.ends.push(self.text.len() as u32);
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        get(&self.text, &self.ends, row)
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let value = &self.text[start..end as usize];
            start = end as usize;
            value
        })
    }
}

#[inline]
pub(crate) fn get<'a>(text: &'a [u8], ends: &[u32], row: usize) -> &'a [u8] {
    let start = if row == 0 { 0 } else { ends[row - 1] };
    &text[start as usize..ends[row] as usize]
}

/// The rows that contain the needle: one search over the whole text.
pub(crate) fn rows_containing(text: &[u8], ends: &[u32], needle: &[u8]) -> Vec<u32> {
    let mut rows = Vec::new();
    let finder = memchr::memmem::Finder::new(needle);
    let mut at = 0;
    let mut row = 0;
    while let Some(found) = finder.find(&text[at..]) {
        let start = at + found;
        row += ends[row..].partition_point(|&end| end as usize <= start);
        if row == ends.len() {
            break;
        }
        if start + needle.len() <= ends[row] as usize {
            rows.push(row as u32);
            at = ends[row] as usize;
            row += 1;
        } else {
            at = start + 1;
        }
    }
    rows
}

/// Appends values of bounded length to a text without an intermediate copy: each is written into room that was made
/// before. (A copy out of a buffer just written in small steps would wait for them.)
pub(super) struct Sheet<'a> {
    out: &'a mut Vec<u8>,
    at: usize,
    /// Room made at once.
    page: usize,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, page: usize) -> Self {
        let at = out.len();
        Self { out, at, page }
    }

    /// `write` gets a place with `room` or more and returns how much it has used. Returns where the value ends.
    #[inline]
    pub(super) fn add(&mut self, room: usize, write: impl FnOnce(&mut [u8]) -> usize) -> usize {
        if self.out.len() - self.at < room {
            self.out.resize(self.at + room.max(self.page), 0);
        }
        self.at += write(&mut self.out[self.at..]);
        self.at
    }
}

impl Drop for Sheet<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.at);
    }
}
