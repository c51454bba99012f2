//! Owns the few DER forms a self-signed certificate needs.
//! Refuses to know keys; X.690 for the encoding, RFC 5280 section 4 for the certificate.

use chrono::{DateTime, Datelike as _, Utc};

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BOOLEAN: u8 = 0x01;
pub(crate) const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// 1.2.840.113549.1.1.11, sha256WithRSAEncryption.
const SHA256_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
/// 2.5.4.3, commonName.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.19, basicConstraints.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// 2.5.29.15, keyUsage.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];

/// Tag, length, content.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=0x7f => out.push(short as u8),
        long => {
            let bytes = (long as u64).to_be_bytes();
            let skip = bytes.iter().take_while(|b| **b == 0).count();
            out.push(0x80 | (bytes.len() - skip) as u8);
            out.extend_from_slice(&bytes[skip..]);
        }
    }
    out.extend_from_slice(content);
    out
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// A non-negative integer of big-endian bytes.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let skip = bytes.iter().take_while(|b| **b == 0).count();
    let mut content = bytes[skip..].to_vec();
    if content.first().is_none_or(|b| b & 0x80 != 0) {
        content.insert(0, 0);
    }
    tlv(INTEGER, &content)
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    let mut content = vec![0];
    content.extend_from_slice(bytes);
    tlv(BIT_STRING, &content)
}

/// RFC 5280 wants UTCTime up to 2049 and GeneralizedTime after.
fn time(at: DateTime<Utc>) -> Vec<u8> {
    if (1950..2050).contains(&at.year()) {
        tlv(UTC_TIME, at.format("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        tlv(GENERALIZED_TIME, at.format("%Y%m%d%H%M%SZ").to_string().as_bytes())
    }
}

fn name(common_name: &str) -> Vec<u8> {
    let attribute = sequence(&[tlv(OID, COMMON_NAME), tlv(UTF8_STRING, common_name.as_bytes())]);
    sequence(&[tlv(SET, &attribute)])
}

fn algorithm() -> Vec<u8> {
    sequence(&[tlv(OID, SHA256_RSA), tlv(NULL, &[])])
}

fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[tlv(OID, oid), tlv(BOOLEAN, &[0xff]), tlv(OCTET_STRING, value)])
}

/// What a certificate says.
pub(crate) struct Subject<'a> {
    pub(crate) common_name: &'a str,
    pub(crate) serial: &'a [u8],
    pub(crate) not_before: DateTime<Utc>,
    pub(crate) not_after: DateTime<Utc>,
    /// SubjectPublicKeyInfo, DER.
    pub(crate) public_key: &'a [u8],
}

/// A self-signed version 3 certificate; `sign` makes an RSA PKCS#1 v1.5 SHA-256 signature.
pub(crate) fn certificate(subject: &Subject<'_>, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    // keyUsage: digitalSignature (bit 0) and keyCertSign (bit 5), seven bits used of the last byte.
    let usage = tlv(BIT_STRING, &[2, 0b1000_0100]);
    let is_ca = sequence(&[tlv(BOOLEAN, &[0xff])]);
    let extensions = sequence(&[extension(BASIC_CONSTRAINTS, &is_ca), extension(KEY_USAGE, &usage)]);
    let body = sequence(&[
        tlv(0xa0, &tlv(INTEGER, &[2])),
        integer(subject.serial),
        algorithm(),
        name(subject.common_name),
        sequence(&[time(subject.not_before), time(subject.not_after)]),
        name(subject.common_name),
        subject.public_key.to_vec(),
        tlv(0xa3, &extensions),
    ]);
    let signature = sign(&body);
    sequence(&[body, algorithm(), bit_string(&signature)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_integers_follow_x690() {
        assert_eq!(tlv(4, &[7; 3]), [4, 3, 7, 7, 7]);
        assert_eq!(tlv(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
        assert_eq!(integer(&[0, 0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[]), [2, 1, 0]);
    }
}
