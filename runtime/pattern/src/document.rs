//! One message, lent to many patterns. Owns what is worked out about its text at most once: the
//! JSON tape, the fields, whether anything can be escaped. Refuses to know any pattern.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::columns::{Field, Fields};
use crate::json::{Tape, Value, scan_object_into};

const ABSENT: u8 = 1;
const PRESENT: u8 = 2;

/// A message and what has been learnt about it. Everything is found out on first use and kept.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    /// 0 until looked for, then `ABSENT` or `PRESENT`; threads that race find the same.
    backslash: AtomicU8,
    tape: OnceLock<Option<Tape>>,
    fields: OnceLock<Vec<Field<'t>>>,
}

impl<'t> Document<'t> {
    /// Wraps a message. Costs nothing: no parsing happens before a pattern needs it.
    pub fn new(text: &'t str) -> Self {
        Document { text, backslash: AtomicU8::new(0), tape: OnceLock::new(), fields: OnceLock::new() }
    }

    /// The message as it was given.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Is the whole message one JSON object (blanks around it aside)?
    pub fn is_json_object(&self) -> bool {
        self.object().is_some()
    }

    pub(crate) fn object(&self) -> Option<Value<'_>> {
        let tape = self.tape.get_or_init(|| scan_object_into(self.text, Tape::default(), false));
        tape.as_ref().map(|tape| tape.root(self.text))
    }

    pub(crate) fn is_parsed(&self) -> bool {
        self.tape.get().is_some()
    }

    pub(crate) fn is_split(&self) -> bool {
        self.fields.get().is_some()
    }

    /// Parses the message into the room of another tape, if it was not yet. `is_plain` says that it has neither
    /// backslash nor control character.
    pub(crate) fn parse_into(&self, room: Tape, is_plain: bool) {
        self.tape.get_or_init(|| scan_object_into(self.text, room, is_plain));
    }

    /// Splits the message into the room of another's fields, if it was not yet.
    pub(crate) fn split_into(&self, mut room: Vec<Field<'t>>) {
        self.fields.get_or_init(|| {
            room.clear();
            room.extend(Fields::of(self.text));
            room
        });
    }

    /// Tape and fields, for their room.
    pub(crate) fn into_parts(self) -> (Option<Tape>, Option<Vec<Field<'t>>>) {
        (self.tape.into_inner().flatten(), self.fields.into_inner())
    }

    /// It is known from elsewhere that there is no backslash.
    pub(crate) fn has_no_backslash(&mut self) {
        *self.backslash.get_mut() = ABSENT;
    }

    pub(crate) fn has_backslash(&self) -> bool {
        match self.backslash.load(Ordering::Relaxed) {
            0 => {
                let found = memchr::memchr(b'\\', self.text.as_bytes()).is_some();
                self.backslash.store(if found { PRESENT } else { ABSENT }, Ordering::Relaxed);
                found
            }
            known => known == PRESENT,
        }
    }

    pub(crate) fn fields(&self) -> &[Field<'t>] {
        self.fields.get_or_init(|| Fields::of(self.text).collect())
    }
}
