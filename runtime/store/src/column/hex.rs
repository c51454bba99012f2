//! Owns the kind Hex: values of one length, hexadecimal digits of one case between bytes that never change, such as
//! the dashes of a UUID. Refuses to know other kinds.

use super::choose::Input;
use super::planes::{put_text, read_text};
use super::{
    ByteSet, EncodedColumn, Facts, Head, Hits, Kind, Rows, Values, Variable, find_rendered, start_head,
};
use crate::codec::{Malformed, Reader, put_varint};
use crate::filter::{self, Builder, KEY_BYTES};

// Layout.
// Head: varint length L of every value (at most 256), u8 case of the letters (0 lower, 1 upper), ceil(L / 8) bytes
//   with bit `i & 7` of byte `i / 8` set where position `i` is a digit, the bytes at the other positions in order,
//   u8 form of the body.
// Body: form 0 the digits of each value, two a byte, the first in the upper half; an odd one out is the upper half
//   of the last byte of the value, its lower half is 0. Form 1 the same as a text (see `planes`).

const MAX_LENGTH: usize = 256;
/// Fewer digits are left to other kinds.
const MIN_DIGITS: usize = 4;
/// A sample of so many values tells which positions never change.
const SURE: usize = 32;
const PLAIN: u8 = 0;
const PACKED: u8 = 1;
const NO_DIGIT: u8 = 0xff;

static DIGITS: [[u8; 256]; 2] = [table(b'a'), table(b'A')];
const LETTERS: [&[u8; 16]; 2] = [b"0123456789abcdef", b"0123456789ABCDEF"];

const fn table(first_letter: u8) -> [u8; 256] {
    let mut table = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        let byte = if digit < 10 { b'0' + digit } else { first_letter + digit - 10 };
        table[byte as usize] = digit;
        digit += 1;
    }
    table
}

/// The form of all values.
#[derive(Clone, Debug)]
struct Template {
    /// The bytes that never change, anything at the positions of digits.
    bytes: Box<[u8]>,
    /// Where the digits are, ascending.
    digits: Box<[u16]>,
    /// Where they are not.
    fixed: Box<[u16]>,
    upper: bool,
}

impl Template {
    fn new(bytes: Box<[u8]>, is_digit: &[bool], upper: bool) -> Self {
        let positions = |wanted: bool| {
            let all = is_digit.iter().enumerate().filter(move |(_, digit)| **digit == wanted);
            all.map(|(index, _)| index as u16).collect()
        };
        Self { bytes, digits: positions(true), fixed: positions(false), upper }
    }

    fn stride(&self) -> usize {
        self.digits.len().div_ceil(2)
    }

    fn is_digit(&self, position: usize) -> bool {
        self.digits.binary_search(&(position as u16)).is_ok()
    }

    /// Writes a value to the start of a place that has room for it, and returns its length.
    #[inline]
    fn write(&self, packed: &[u8], place: &mut [u8]) -> usize {
        let letters = LETTERS[usize::from(self.upper)];
        let value = &mut place[..self.bytes.len()];
        value.copy_from_slice(&self.bytes);
        let (pairs, rest) = self.digits.as_chunks::<2>();
        for (pair, &byte) in pairs.iter().zip(packed) {
            value[usize::from(pair[0])] = letters[usize::from(byte >> 4)];
            value[usize::from(pair[1])] = letters[usize::from(byte & 15)];
        }
        for (&at, &byte) in rest.iter().zip(packed.last()) {
            value[usize::from(at)] = letters[usize::from(byte >> 4)];
        }
        value.len()
    }

    /// Appends the digits of a value; false when it has not this form.
    #[inline]
    fn pack(&self, value: &[u8], out: &mut Vec<u8>) -> bool {
        if value.len() != self.bytes.len()
            || self.fixed.iter().any(|&at| value[usize::from(at)] != self.bytes[usize::from(at)])
        {
            return false;
        }
        let table = &DIGITS[usize::from(self.upper)];
        let mut seen = 0;
        let (pairs, rest) = self.digits.as_chunks::<2>();
        for pair in pairs {
            let (first, second) = (
                table[usize::from(value[usize::from(pair[0])])],
                table[usize::from(value[usize::from(pair[1])])],
            );
            seen |= first | second;
            out.push(first << 4 | second & 15);
        }
        for &at in rest {
            let digit = table[usize::from(value[usize::from(at)])];
            seen |= digit;
            out.push(digit << 4);
        }
        seen < 16
    }

    /// The words of every value: where they start and end, and whether they are keys of the filter and nothing else.
    fn words(&self) -> Vec<(usize, usize, bool)> {
        let mut shape = self.bytes.to_vec();
        self.digits.iter().for_each(|&at| shape[usize::from(at)] = b'0');
        let mut words = Vec::new();
        filter::for_each_word(&shape, |start, end, class| {
            let key = class & filter::OTHER == 0;
            if !key || end - start >= KEY_BYTES {
                words.push((start, end, key));
            }
        });
        words
    }
}

/// The form the sample suggests; with `constants`, positions that never change in it are no digits.
fn template_of(input: &Input<'_>, constants: bool) -> Option<Template> {
    let first = input.values.get(*input.sample.rows.first()? as usize);
    if first.len() > MAX_LENGTH {
        return None;
    }
    let mut is_digit: Vec<bool> = first.iter().map(u8::is_ascii_hexdigit).collect();
    let mut changes = vec![!constants; first.len()];
    let (mut lower, mut upper, mut decimal) = (false, false, false);
    for &row in &input.sample.rows {
        let value = input.values.get(row as usize);
        if value.len() != first.len() {
            return None;
        }
        for at in 0..first.len() {
            changes[at] |= value[at] != first[at];
        }
    }
    is_digit.iter_mut().zip(&changes).for_each(|(digit, changes)| *digit &= changes);
    for &row in &input.sample.rows {
        for (&byte, _) in input.values.get(row as usize).iter().zip(&is_digit).filter(|(_, digit)| **digit) {
            lower |= matches!(byte, b'a'..=b'f');
            upper |= matches!(byte, b'A'..=b'F');
            decimal |= byte.is_ascii_digit();
        }
    }
    // Without letters it is a number, without numbers it is words.
    if lower == upper || !decimal || is_digit.iter().filter(|digit| **digit).count() < MIN_DIGITS {
        return None;
    }
    Some(Template::new(first.into(), &is_digit, upper))
}

fn pack_all(input: &Input<'_>, template: &Template) -> Option<Vec<u8>> {
    let mut packed = Vec::with_capacity(input.values.len() * template.stride());
    input.values.iter().all(|value| template.pack(value, &mut packed)).then_some(packed)
}

pub(super) fn encode(input: &Input<'_>, filter: &mut Builder) -> Option<EncodedColumn> {
    let attempt = |constants: bool| {
        let template = template_of(input, constants)?;
        let packed = pack_all(input, &template)?;
        Some((template, packed))
    };
    let sure = (input.sample.rows.len() >= SURE).then(|| attempt(true)).flatten();
    let (template, packed) = sure.or_else(|| attempt(false))?;

    let words = template.words();
    for value in input.values.iter() {
        for &(start, end, key) in &words {
            let word = &value[start..end];
            if key { filter.add_key(word) } else { filter.add(word) }
        }
    }
    let mut head = start_head(Kind::Hex, input.values.len());
    put_varint(&mut head, template.bytes.len() as u64);
    head.push(u8::from(template.upper));
    let mut mask = vec![0; template.bytes.len().div_ceil(8)];
    template.digits.iter().for_each(|&at| mask[usize::from(at / 8)] |= 1 << (at & 7));
    head.append(&mut mask);
    head.extend(template.fixed.iter().map(|&at| template.bytes[usize::from(at)]));
    if !compressible(input, &packed) {
        head.push(PLAIN);
        return Some(EncodedColumn { head, body: packed });
    }
    head.push(PACKED);
    let mut body = Vec::new();
    put_text(&packed, &mut body);
    Some(EncodedColumn { head, body })
}

/// True when values repeat or some bytes are far more frequent than others.
fn compressible(input: &Input<'_>, packed: &[u8]) -> bool {
    let sample = &packed[..packed.len().min(4096)];
    let mut counts = [0_u64; 256];
    sample.iter().for_each(|&byte| counts[byte as usize] += 1);
    let pairs: u64 = counts.iter().map(|&count| count * count).sum();
    let length = sample.len() as u64;
    let expected = length + length * length / 256;
    pairs * 4 > expected * 5 || input.sample.distinct * 10 < input.sample.rows.len() * 9
}

pub(super) fn read(reader: &mut Reader<'_>, _rows: usize) -> Result<Box<dyn Head>, Malformed> {
    let length = reader.varint()?;
    if length > MAX_LENGTH as u64 {
        return Err(Malformed("hexadecimal values too long"));
    }
    let length = length as usize;
    let upper = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return Err(Malformed("unknown case of hexadecimal digits")),
    };
    let mask = reader.bytes(length.div_ceil(8))?;
    let is_digit: Vec<bool> = (0..length).map(|at| mask[at / 8] >> (at & 7) & 1 != 0).collect();
    let mut bytes = vec![b'0'; length];
    for (byte, _) in bytes.iter_mut().zip(&is_digit).filter(|(_, digit)| !**digit) {
        *byte = reader.u8()?;
    }
    let packed = match reader.u8()? {
        PLAIN => false,
        PACKED => true,
        _ => return Err(Malformed("unknown form of hexadecimal values")),
    };
    let template = Template::new(bytes.into(), &is_digit, upper);
    if template.digits.is_empty() {
        return Err(Malformed("hexadecimal values without digits"));
    }
    Ok(Box::new(HexHead { template, packed }))
}

#[derive(Debug)]
struct HexHead {
    template: Template,
    packed: bool,
}

impl Head for HexHead {
    fn kind(&self) -> Kind {
        Kind::Hex
    }

    fn facts(&self) -> Facts {
        let mut bytes = ByteSet::of(&self.template.bytes);
        bytes.union(&ByteSet::of(LETTERS[usize::from(self.template.upper)]));
        Facts { kind: Kind::Hex, min: None, max: None, bytes, longest: self.template.bytes.len() }
    }

    fn find(&self, needle: &[u8]) -> Option<Hits> {
        alignments(&self.template, needle).is_empty().then_some(Hits::None)
    }

    fn decode(&self, body: &[u8], times: &[i64]) -> Result<Box<dyn Values>, Malformed> {
        let packed = if self.packed {
            let mut reader = Reader::new(body);
            let packed = read_text(&mut reader)?;
            if reader.left() != 0 {
                return Err(Malformed("bytes behind hexadecimal values"));
            }
            packed
        } else {
            body.to_vec()
        };
        if packed.len() != times.len() * self.template.stride() {
            return Err(Malformed("hexadecimal values of another length"));
        }
        Ok(Box::new(Hex { template: self.template.clone(), packed }))
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.template.bytes.len() * 3
    }
}

#[derive(Debug)]
struct Hex {
    template: Template,
    packed: Vec<u8>,
}

/// Where in a value the needle can start, as far as the form of the values says.
fn alignments(template: &Template, needle: &[u8]) -> Vec<usize> {
    let Some(last) = template.bytes.len().checked_sub(needle.len()) else {
        return Vec::new();
    };
    let table = &DIGITS[usize::from(template.upper)];
    let fits = |start: usize| {
        needle.iter().enumerate().all(|(index, &byte)| {
            let at = start + index;
            if template.is_digit(at) {
                table[usize::from(byte)] != NO_DIGIT
            } else {
                template.bytes[at] == byte
            }
        })
    };
    (0..=last).filter(|&start| fits(start)).collect()
}

impl Hex {
    /// The whole packed bytes that a needle at this place of a value covers.
    fn inner(&self, needle: &[u8], start: usize) -> Vec<u8> {
        let table = &DIGITS[usize::from(self.template.upper)];
        let mut inner = Vec::new();
        for pair in self.template.digits.as_chunks::<2>().0 {
            let digit = |at: u16| {
                let index = usize::from(at).checked_sub(start)?;
                needle.get(index).map(|&byte| table[usize::from(byte)])
            };
            if let (Some(first), Some(second)) = (digit(pair[0]), digit(pair[1])) {
                inner.push(first << 4 | second & 15);
            }
        }
        inner
    }
}

impl Values for Hex {
    fn push_rows(&self, rows: Rows<'_>, out: &mut Vec<u8>, ends: &mut Vec<u32>) {
        let stride = self.template.stride();
        rows.write(self.template.bytes.len(), out, ends, |row, place| {
            self.template.write(&self.packed[row * stride..(row + 1) * stride], place)
        });
    }

    fn variable(&self) -> Variable<'_> {
        Variable::Other
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.template.bytes.len() * 3 + self.packed.len()
    }

    /// Searches the packed bytes for those inside the needle, and makes only the values where they are found.
    fn find(&self, needle: &[u8], rows: usize) -> Hits {
        let starts = alignments(&self.template, needle);
        let mut inners: Vec<Vec<u8>> = starts.iter().map(|&start| self.inner(needle, start)).collect();
        inners.sort_unstable();
        inners.dedup();
        if inners.iter().any(Vec::is_empty) {
            return find_rendered(self, needle, rows);
        }
        let stride = self.template.stride();
        let mut found: Vec<u32> = Vec::new();
        let mut value = Vec::new();
        for inner in &inners {
            for at in memchr::memmem::find_iter(&self.packed, inner) {
                let row = at / stride;
                value.clear();
                self.push_value(row, &mut value);
                if memchr::memmem::find(&value, needle).is_some() {
                    found.push(row as u32);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Hits::of(found, rows)
    }
}
