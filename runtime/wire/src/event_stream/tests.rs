//! Vectors computed by another implementation, and what no input may do.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn decoded(bytes: &[u8]) -> Result<Vec<Message>, Malformed> {
    let mut decoder = Decoder::default();
    decoder.push(bytes);
    let mut found = Vec::new();
    while let Some(message) = decoder.next_message()? {
        found.push(message);
    }
    Ok(found)
}

#[test]
fn vectors_of_another_implementation_are_read_and_written() {
    let empty = unhex("000000100000000005c248eb7d98c8ff");
    assert_eq!(decoded(&empty).unwrap(), [Message::default()]);
    assert_eq!(framed(&[], b""), empty);
    let initial = "00000068000000564e6817240b3a6576656e742d74797065070010696e697469616c2d726573706f6e73650d3a63\
                   6f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700\
                   056576656e747b7dd591c62b";
    assert_eq!(initial_response(), unhex(initial));
    let all = "0000005f0000004ca00b8ac8017400016601016202ff0173030100016904fffffffe016c05fffffffffffffffd017906\
               0002010201780700017a0164080000018bcfe56800017509000102030405060708090a0b0c0d0e0f70617958805c4c";
    let message = decoded(&unhex(all)).unwrap().remove(0);
    let values: Vec<Value> = message.headers.iter().map(|(_, value)| value.clone()).collect();
    let uuid = Value::Uuid(std::array::from_fn(|index| index as u8));
    let integers = [-1, 256, -2, -3].map(Value::Integer);
    let expected: Vec<Value> = [Value::Bool(true), Value::Bool(false)]
        .into_iter()
        .chain(integers)
        .chain([Value::Bytes(vec![1, 2]), Value::Text("z".into()), Value::Timestamp(1_700_000_000_000), uuid])
        .collect();
    assert_eq!((values, message.payload.as_slice()), (expected, b"pay".as_slice()));
}

#[test]
fn an_exception_names_its_shape_and_carries_its_sentence() {
    let message = decoded(&exception("SessionTimeoutException", "Three hours.")).unwrap().remove(0);
    assert_eq!(message.text(":message-type"), Some("exception"));
    assert_eq!(message.kind(), Some("SessionTimeoutException"));
    assert_eq!(message.payload, br#"{"message":"Three hours."}"#);
}

#[test]
fn damage_is_found() {
    let good = event_of("sessionUpdate", b"{\"a\":1}");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert!(decoded(&bad).is_err(), "a flipped bit at {at} is not noticed");
    }
    let mut long = good;
    long[..4].copy_from_slice(&(MESSAGE_BYTES_MAX as u32 + 1).to_be_bytes());
    let crc = crc32fast::hash(&long[..8]);
    long[8..12].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(decoded(&long), Err(Malformed("a message is too long")));
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_pieces_of_any_length(
        payloads in vec(vec(any::<u8>(), 0..200), 1..5),
        piece in 1_usize..64,
    ) {
        let bytes: Vec<u8> = payloads.iter().flat_map(|payload| event_of("sessionUpdate", payload)).collect();
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for part in bytes.chunks(piece) {
            decoder.push(part);
            while let Some(message) = decoder.next_message().unwrap() {
                prop_assert_eq!(message.kind(), Some("sessionUpdate"));
                found.push(message.payload);
            }
        }
        prop_assert_eq!(found, payloads);
        prop_assert!(!decoder.is_in_a_message());
    }

    #[test]
    fn nothing_that_comes_panics(mut bytes in vec(any::<u8>(), 12..200), headers in 0_u32..100) {
        let _any = decoded(&bytes);
        // The same behind a prelude and an end that are right.
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_be_bytes());
        bytes[4..8].copy_from_slice(&headers.to_be_bytes());
        let crc = crc32fast::hash(&bytes[..8]);
        bytes[8..12].copy_from_slice(&crc.to_be_bytes());
        let body = bytes.len().saturating_sub(4).max(12);
        let crc = crc32fast::hash(&bytes[..body]);
        bytes.truncate(body);
        bytes.extend_from_slice(&crc.to_be_bytes());
        let _any = decoded(&bytes);
    }
}
