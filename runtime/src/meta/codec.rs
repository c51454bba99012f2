//! Owns how a row's value looks on disk. Refuses to know which records there are.
//!
//! A value is one version byte, then the record. Version 1: JSON (RFC 8259, UTF-8). Records evolve by
//! adding fields with `#[serde(default)]`; a change that cannot be read that way needs a new version byte.
//! Version 2: the bytes of a blob as they are.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::MetaError;

const JSON: u8 = 1;
const PLAIN: u8 = 2;

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

    #[test]
    fn version_one_is_json_after_one_byte() {
        assert_eq!(encode("t", &vec![1, 2]).unwrap(), b"\x01[1,2]");
        assert_eq!(decode::<Vec<u8>>("t", b"\x01[1,2]").unwrap(), [1, 2]);
    }
}
