//! Owns the tests of all kinds of columns.

use super::*;
use crate::filter::Builder;

pub(super) fn strings(values: &[&[u8]]) -> Strings {
    let mut strings = Strings::default();
    values.iter().for_each(|value| strings.push(value));
    strings
}

/// Encodes, reads back, compares every value, and returns the kind.
pub(super) fn check(values: &Strings, times: &[i64]) -> Kind {
    let encoded = encode(values, times, &mut Builder::new());
    let mut reader = Reader::new(&encoded.head);
    let head = read_head(&mut reader).unwrap();
    assert_eq!(reader.left(), 0);
    let column = Column::decode(&head, &encoded.body, times).unwrap();
    let mut back = Strings::default();
    column.push_values(None, &mut back.text, &mut back.ends);
    assert_eq!(&back, values, "{:?}", head.kind());
    head.kind()
}

#[test]
fn values_read_back() {
    let cases: [(Vec<&[u8]>, Kind); 4] = [
        (vec![], Kind::Constant),
        (vec![b"same"; 9], Kind::Constant),
        ([&b"GET"[..], b"PUT", b"", b"GET"].repeat(9), Kind::Dictionary),
        (vec![b"one", b"", b"\xff\x00", b"two words"], Kind::Text),
    ];
    for (values, kind) in cases {
        assert_eq!(check(&strings(&values), &vec![0; values.len()]), kind, "{values:?}");
    }
}
