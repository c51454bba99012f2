//! Owns how a row's value looks on disk. Refuses to know which records there are.
//!
//! A value is one version byte, then the record. Version 1: JSON (RFC 8259, UTF-8). Records evolve by
//! adding fields with `#[serde(default)]`; a change that cannot be read that way needs a new version byte.
//! Version 2: the bytes of a blob as they are. 3 is not used: sealed values begin with it (`sealed.rs`). Version 4: the
//! record as its room packs it, which begins with a version of its own; in a table of such records rows of version 1
//! are read too.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::MetaError;

const JSON: u8 = 1;
const PLAIN: u8 = 2;
const PACKED: u8 = 4;

/// A record of which there are so many that JSON would be too long and too slow.
pub(crate) trait Packed: DeserializeOwned {
    /// Appends the record's bytes to `out`.
    fn pack(&self, out: &mut Vec<u8>);

    /// The record that these bytes are; `None` when they are none.
    fn unpack(bytes: &[u8]) -> Option<Self>;
}

pub(super) fn encode<V: Serialize>(table: &'static str, record: &V) -> Result<Vec<u8>, MetaError> {
    let mut bytes = Vec::with_capacity(128);
    bytes.push(JSON);
    serde_json::to_writer(&mut bytes, record).map_err(|error| MetaError::corrupt(table, error))?;
    Ok(bytes)
}

pub(super) fn decode<V: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Result<V, MetaError> {
    match bytes.split_first() {
        Some((&JSON, json)) => serde_json::from_slice(json).map_err(|error| MetaError::corrupt(table, error)),
        Some((version, _)) => Err(MetaError::corrupt(table, format_args!("unknown version byte {version}"))),
        None => Err(MetaError::corrupt(table, "the value is empty")),
    }
}

pub(super) fn encode_packed<V: Packed>(record: &V) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(PACKED);
    record.pack(&mut bytes);
    bytes
}

pub(super) fn decode_packed<V: Packed>(table: &'static str, bytes: &[u8]) -> Result<V, MetaError> {
    match bytes.split_first() {
        Some((&PACKED, packed)) => {
            V::unpack(packed).ok_or_else(|| MetaError::corrupt(table, "the packed record is not understood"))
        }
        _ => decode(table, bytes),
    }
}

pub(super) fn encode_bytes(bytes: &[u8]) -> Vec<u8> {
    [&[PLAIN], bytes].concat()
}

pub(super) fn decode_bytes(table: &'static str, mut bytes: Vec<u8>) -> Result<Vec<u8>, MetaError> {
    if bytes.first() != Some(&PLAIN) {
        return Err(MetaError::corrupt(table, "the value is not a blob"));
    }
    bytes.remove(0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_version_is_refused_by_number() {
        let error = decode::<u64>("t", &[9, b'1']).unwrap_err();
        assert!(error.to_string().contains("version byte 9"), "{error}");
        assert!(decode::<u64>("t", &[]).is_err());
        assert!(decode::<u64>("t", b"\x01{").is_err());
    }

    /// One byte, or JSON in rows from before it was packed.
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Short(u8);

    impl Packed for Short {
        fn pack(&self, out: &mut Vec<u8>) {
            out.push(self.0);
        }

        fn unpack(bytes: &[u8]) -> Option<Short> {
            <[u8; 1]>::try_from(bytes).ok().map(|[byte]| Short(byte))
        }
    }

    #[test]
    fn a_packed_record_is_read_in_both_forms() {
        assert_eq!(encode_packed(&Short(7)), [4, 7]);
        assert_eq!(decode_packed::<Short>("t", &[4, 7]).unwrap(), Short(7));
        assert_eq!(decode_packed::<Short>("t", b"\x017").unwrap(), Short(7));
        assert!(decode_packed::<Short>("t", &[4, 7, 7]).unwrap_err().to_string().contains("not understood"));
        assert!(decode_packed::<Short>("t", &[9, 7]).unwrap_err().to_string().contains("version byte 9"));
        assert!(decode::<Short>("t", &[4, 7]).unwrap_err().to_string().contains("version byte 4"));
    }

    #[test]
    fn version_one_is_json_after_one_byte() {
        assert_eq!(encode("t", &vec![1, 2]).unwrap(), b"\x01[1,2]");
        assert_eq!(decode::<Vec<u8>>("t", b"\x01[1,2]").unwrap(), [1, 2]);
    }
}
