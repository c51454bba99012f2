//! Owns the tests of all kinds of columns: every value reads back, every search is exact, nothing damaged panics.

use proptest::prelude::*;

use super::*;
use crate::filter::{Builder, Filter};

fn strings<V: AsRef<[u8]>>(values: &[V]) -> Strings {
    let mut strings = Strings::default();
    values.iter().for_each(|value| strings.push(value.as_ref()));
    strings
}

/// Noon of 20 November 2026 and 728 ms, one event every 86 ms.
fn times(len: usize) -> Vec<i64> {
    (0..len as i64).map(|row| 1_795_176_000_728 + row * 86).collect()
}

fn decode(encoded: &EncodedColumn, times: &[i64]) -> Result<(ColumnHead, Column), Malformed> {
    let mut reader = Reader::new(&encoded.head);
    let head = read_head(&mut reader)?;
    assert_eq!(reader.left(), 0);
    let column = Column::decode(&head, &encoded.body, times)?;
    Ok((head, column))
}

/// Rows as a list.
fn rows_of(hits: &Hits, len: usize) -> Vec<u32> {
    match hits {
        Hits::None => Vec::new(),
        Hits::All => (0..len as u32).collect(),
        Hits::Rows(rows) => rows.clone(),
    }
}

/// Encodes, reads back, compares every value, the facts and some searches; returns the kind.
fn check(values: &Strings, times: &[i64]) -> Kind {
    let mut builder = Builder::new();
    let encoded = encode(values, times, &mut builder);
    let (head, column) = decode(&encoded, times).unwrap();
    let mut back = Strings::default();
    column.push_values(None, &mut back.text, &mut back.ends);
    assert_eq!(&back, values, "{:?}", head.kind());
    let mut one = Vec::new();
    for (row, value) in values.iter().enumerate() {
        one.clear();
        column.push_value(row, &mut one);
        assert_eq!(one, value);
        assert!(
            head.facts().bytes.has_all(value) && value.len() <= head.facts().longest,
            "{:?}",
            head.facts()
        );
        if let (Some(min), Some(max)) = (head.facts().min, head.facts().max) {
            let number: f64 = std::str::from_utf8(value).unwrap().parse().unwrap();
            assert!(min <= number && number <= max, "{min} {number} {max}");
        }
    }
    check_variable(&column, values);
    let filter = Filter::read(&builder.finish()).unwrap();
    for (index, value) in values.iter().enumerate().step_by(values.len() / 7 + 1) {
        for needle in
            [value, &value[value.len() / 3..value.len() - value.len() / 4], &value[..value.len().min(2)]]
        {
            check_find(values, &head, &column, needle);
            let whole = needle.len() == value.len();
            assert!(filter.may_contain(needle, whole), "{:?} row {index}", String::from_utf8_lossy(needle));
        }
    }
    for needle in ["0", "7", "-", "e", "12", "2026", ":0", "absent", "ff", "12345678"] {
        check_find(values, &head, &column, needle.as_bytes());
    }
    head.kind()
}

fn check_find(values: &Strings, head: &ColumnHead, column: &Column, needle: &[u8]) {
    let has = |value: &[u8]| needle.is_empty() || memchr::memmem::find(value, needle).is_some();
    let expected: Vec<u32> =
        values.iter().enumerate().filter(|(_, value)| has(value)).map(|(row, _)| row as u32).collect();
    let text = String::from_utf8_lossy(needle);
    assert_eq!(rows_of(&column.find(needle), values.len()), expected, "{:?} {text}", head.kind());
    if let Some(known) = head.find(needle) {
        assert_eq!(rows_of(&known, values.len()), expected, "head of {:?} {text}", head.kind());
    }
}

fn check_variable(column: &Column, values: &Strings) {
    for (row, value) in values.iter().enumerate() {
        let text = || std::str::from_utf8(value).unwrap();
        match column.variable() {
            Variable::Constant(constant) => assert_eq!(constant, value),
            Variable::Dictionary { codes: Codes::U8(codes), values } => {
                assert_eq!(&*values[codes[row] as usize], value);
            }
            Variable::Dictionary { codes: Codes::U16(codes), values } => {
                assert_eq!(&*values[codes[row] as usize], value);
            }
            Variable::Ints(numbers) => assert_eq!(numbers.get(row).to_string().as_bytes(), value),
            Variable::Decimals { mantissas, scale, .. } => {
                let number: f64 = text().parse().unwrap();
                assert_eq!(mantissas.get(row) as f64 / 10_f64.powi(scale.into()), number);
            }
            Variable::Numbered { prefix, suffix, width, values } => {
                let digits = format!("{:0width$}", values.get(row), width = usize::from(width));
                assert_eq!([prefix, digits.as_bytes(), suffix].concat(), value);
            }
            Variable::Texts { text, ends } => assert_eq!(strings::get(text, ends, row), value),
            Variable::Other => {}
        }
    }
}

/// Numbers that look random and are the same in every run.
fn mixed(row: u64) -> u64 {
    (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// A named list of values and the kind that is expected to store them.
type Case = (&'static str, Kind, fn(u64) -> String);

/// What a value of row `r` is.
const CASES: &[Case] = &[
    ("constant", Kind::Constant, |_| "same".into()),
    ("empty", Kind::Constant, |_| String::new()),
    ("methods", Kind::Dictionary, |r| ["GET", "PUT", "", "DELETE"][r as usize % 4].into()),
    ("statuses", Kind::Dictionary, |r| [200, 404, 503][mixed(r) as usize % 3].to_string()),
    ("long agents", Kind::Dictionary, |r| format!("Mozilla/5.0 {}", "x".repeat(80 + mixed(r) as usize % 9))),
    ("many names", Kind::Dictionary, |r| format!("{}n", "ab".repeat(r as usize % 300))),
    ("sizes", Kind::Int, |r| (mixed(r) % 50_000).to_string()),
    ("all i64", Kind::Int, |r| mixed(r).cast_signed().to_string()),
    ("extremes", Kind::Int, |r| if r % 2 == 0 { i64::MIN } else { i64::MAX - r as i64 }.to_string()),
    ("counter", Kind::Int, |r| (r * 1000).to_string()),
    ("epoch ms", Kind::Int, |r| (1_795_176_000_728 + r * 86 - mixed(r) % 9).to_string()),
    ("epoch s", Kind::Int, |r| ((1_795_176_000_728 + r * 86) / 1000).to_string()),
    ("u64", Kind::Pattern, |r| (u64::MAX - r).to_string()),
    ("leading zeros", Kind::Pattern, |r| format!("{:05}", mixed(r) % 99_999)),
    ("minus zero", Kind::Pattern, |r| if r % 400 == 7 { "-0".into() } else { r.to_string() }),
    ("plus", Kind::Pattern, |r| format!("+{r}")),
    ("exponent", Kind::Pattern, |r| format!("{r}e5")),
    ("latencies", Kind::Decimal, |r| format!("{}", (mixed(r) % 99_999) as f64 / 1000.0)),
    ("python floats", Kind::Decimal, |r| format!("{:?}", (mixed(r) % 999) as f64 / 10.0 - 50.0)),
    ("money", Kind::Decimal, |r| format!("{}.{:02}", mixed(r) % 900, mixed(r) % 100)),
    ("negative", Kind::Decimal, |r| format!("-0.{:03}1", mixed(r) % 1000)),
    ("two styles", Kind::Pattern, |r| if r % 2 == 0 { format!("{r}.50") } else { format!("{r}.5") }),
    ("point at the end", Kind::Pattern, |r| format!("{r}.")),
    ("trace", Kind::Hex, |r| format!("{:016x}{:016x}", mixed(r), mixed(r + 77))),
    ("odd", Kind::Hex, |r| format!("{:05X}", mixed(r) >> 44)),
    ("uuid", Kind::Hex, |r| {
        let (a, b) = (mixed(r), mixed(r + 5));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a & 0xffff,
            a >> 16 & 0xfff,
            b >> 48,
            b & 0xffff_ffff_ffff
        )
    }),
    ("xray", Kind::Hex, |r| format!("1-5f84c7a1-{:024x}", u128::from(mixed(r)) << 24 | 0xabc)),
    ("late change", Kind::Hex, |r| format!("{:x}f{:014x}", u64::from(r == 999), mixed(r) >> 8)),
    ("mixed case", Kind::Text, |r| {
        if r % 2 == 0 { format!("{:016x}", mixed(r)) } else { format!("{:016X}", mixed(r)) }
    }),
    ("users", Kind::Pattern, |r| format!("u-{:07}", mixed(r) % 50_000)),
    ("addresses", Kind::Pattern, |r| format!("10.{}.{}.{}", mixed(r) % 256, mixed(r) >> 56, r % 256)),
    ("paths", Kind::Pattern, |r| match mixed(r) % 3 {
        0 => format!("/api/v1/orders/{}", r * 31),
        1 => format!("/api/v2/search?q=item-{}&n={}", r, mixed(r) % 100),
        _ => "/login".into(),
    }),
    ("own widths", Kind::Pattern, |r| format!("w{}", "0".repeat(r as usize % 4) + &r.to_string())),
    ("blocks", Kind::Pattern, |r| format!("blk_-{}", mixed(r))),
    ("long digits", Kind::Pattern, |r| format!("x{}{}{}", mixed(r), mixed(r + 1), mixed(r + 2))),
    ("iso", Kind::Time, |r| spelled(b"YYYY-MM-DDThh:mm:ss.fffZ", r, 0)),
    ("iso late", Kind::Time, |r| {
        spelled(b"YYYY-MM-DD hh:mm:ss,fff", r, -(mixed(r).cast_signed() >> 52).abs())
    }),
    ("zone", Kind::Time, |r| spelled(b"DD/NNN/YYYY:hh:mm:ss", r, 7200)),
    ("clock", Kind::Time, |r| spelled(b"hh:mm:ss", r, -3)),
    ("clock over midnight", Kind::Time, |r| spelled(b"hh:mm:ss", r, 43_170)),
    ("micros", Kind::Time, |r| spelled(b"YYYY-MM-DDThh:mm:ss.ffffffZ", r, mixed(r).cast_signed() % 1000)),
    ("millis", Kind::Time, |r| spelled(b"fff", r, 0)),
    ("compact", Kind::Time, |r| spelled(b"YYYYMMDDThhmmssZ", r, 0)),
    ("leap second", Kind::Pattern, |r| {
        format!("2026-11-{:02}T{:02}:{:02}:60Z", r % 28 + 1, r / 40 % 24, r % 60)
    }),
    ("no date", Kind::Pattern, |r| format!("2026-02-30T12:00:{:02}.{:03}Z", r % 60, mixed(r) % 1000)),
    ("sentences", Kind::Text, |r| {
        format!("{} done", ["ab", "c d", "\u{fc}\u{df}"][r as usize % 3].repeat(mixed(r) as usize % 999))
    }),
    ("words", Kind::Text, |r| {
        (0..9).map(|at| char::from(b'a' + (mixed(r) >> (at * 5) & 15) as u8 + 7)).collect()
    }),
];

fn spelled(format: &[u8], row: u64, difference: i64) -> String {
    let format = spelling::FORMATS.iter().find(|known| known.text == format).unwrap();
    let value = format.scale().moved(times(row as usize + 1)[row as usize], difference);
    let mut place = [0; 64];
    let length = spelling::Writer::new(format).write_to(value, &mut place);
    String::from_utf8(place[..length].to_vec()).unwrap()
}

#[test]
fn every_kind_reads_back_what_it_was_made_for() {
    let mut others = Vec::new();
    for (name, kind, value) in CASES {
        for len in [1200, 300, 40] {
            let values = strings(&(0..len).map(value).collect::<Vec<_>>());
            let found = check(&values, &times(len as usize));
            if len == 1200 && found != *kind {
                others.push((name, found));
            }
        }
    }
    assert_eq!(others, []);
}

/// Columns as version 2 of the format stores them: per line the name of a case, its head and its body.
const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/formats/columns-v2/columns.txt");
const SAMPLE_ROWS: u64 = 70;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

#[test]
fn columns_stored_before_are_read() {
    if std::env::var_os("LOGBOOM_WRITE_SAMPLES").is_some() {
        write_samples();
    }
    let samples = std::fs::read_to_string(SAMPLES).unwrap();
    assert!(samples.lines().count() >= 47);
    for line in samples.lines() {
        let [name, head, body] = line.split('|').collect::<Vec<_>>().try_into().unwrap();
        let (_, _, value) = CASES.iter().find(|(known, ..)| *known == name).unwrap();
        let encoded = EncodedColumn { head: unhex(head), body: unhex(body) };
        let (_, column) = decode(&encoded, &times(SAMPLE_ROWS as usize)).unwrap();
        let mut back = Strings::default();
        column.push_values(None, &mut back.text, &mut back.ends);
        assert_eq!(back, strings(&(0..SAMPLE_ROWS).map(value).collect::<Vec<_>>()), "{name}");
    }
}

/// Written anew for a new version of the format, or for new cases, under `LOGBOOM_WRITE_SAMPLES=1`.
fn write_samples() {
    let line = |(name, _, value): &Case| {
        let values = strings(&(0..SAMPLE_ROWS).map(value).collect::<Vec<_>>());
        let encoded = encode(&values, &times(SAMPLE_ROWS as usize), &mut Builder::new());
        format!("{name}|{}|{}\n", hex(&encoded.head), hex(&encoded.body))
    };
    std::fs::write(SAMPLES, CASES.iter().map(line).collect::<String>()).unwrap();
}

#[test]
fn short_columns_read_back() {
    for (_, _, value) in CASES {
        for len in 0..5 {
            check(&strings(&(0..len).map(value).collect::<Vec<_>>()), &times(len as usize));
        }
    }
    check(&strings(&[b"\xff\x00\n".as_slice(), b"", b"\x80#"]), &[i64::MIN, 0, i64::MAX]);
}

/// One value that spoils each kind, behind a thousand that fit it.
#[test]
fn one_stranger_is_kept_too() {
    let strangers: [&[u8]; 17] = [
        b"",
        b"007",
        b"-0",
        b"1e5",
        b"1.50",
        b"+1",
        b"18446744073709551615",
        b"9223372036854775808",
        b"DEADBEEF",
        b"2026-02-29T00:00:00.000Z",
        b"2026-11-20T23:59:60.000Z",
        b"24:00:00",
        b".5",
        b"5.",
        b"-",
        b"\xff\xfe",
        b"0x1F",
    ];
    for (_, _, value) in CASES {
        let mut list: Vec<Vec<u8>> = (0..300).map(|row| value(row).into_bytes()).collect();
        for stranger in strangers {
            list[277] = stranger.to_vec();
            check(&strings(&list), &times(300));
        }
    }
}

fn cases() -> ProptestConfig {
    let long = std::env::var_os("LOGBOOM_LONG").is_some();
    ProptestConfig {
        cases: if long { 5000 } else { 60 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Values of a few shapes, so that kinds are hit by luck and missed by little.
fn near_misses() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let value = prop_oneof![
        "[0-9]{1,20}",
        "-?[0-9]{1,4}(\\.[0-9]{1,3})?",
        "[0-9a-f]{8}",
        "[0-9a-fA-F]{6}",
        "[a-c]{0,2}[0-9]{1,3}",
        "202[67]-[01][0-9]-[0-3][0-9]T12:00:[0-6][0-9]Z",
        "[ -~]{0,12}",
    ];
    let value =
        prop_oneof![4 => value.prop_map(String::into_bytes), 1 => prop::collection::vec(any::<u8>(), 0..20)];
    prop_oneof![
        prop::collection::vec(value, 0..40),
        prop::collection::vec("[0-9]{1,3}".prop_map(String::into_bytes), 0..300),
        prop::collection::vec("-?[0-9]{1,2}\\.[0-9]{1,2}".prop_map(String::into_bytes), 0..80),
        prop::collection::vec("[0-9a-f]{6}".prop_map(String::into_bytes), 0..80),
        prop::collection::vec("[ab]/[0-9]{1,22}".prop_map(String::into_bytes), 0..80),
        prop::collection::vec("1[12]:[0-5][0-9]:[0-5][0-9]".prop_map(String::into_bytes), 0..20),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_values_read_back(values in near_misses()) {
        check(&strings(&values), &times(values.len()));
    }

    #[test]
    fn damaged_columns_are_read_or_refused(
        case in 0..CASES.len(),
        len in 1..200_u64,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        cutting in any::<bool>(),
    ) {
        let values = strings(&(0..len).map(CASES[case].2).collect::<Vec<_>>());
        let mut encoded = encode(&values, &times(len as usize), &mut Builder::new());
        let head = encoded.head.len();
        let mut all = [std::mem::take(&mut encoded.head), encoded.body].concat();
        for (at, byte) in flips {
            let at = at.index(all.len());
            all[at] ^= byte;
        }
        let body = all.split_off(head);
        let body = if cutting { &body[..cut.index(body.len() + 1)] } else { &body[..] };
        if let Ok(head) = read_head(&mut Reader::new(&all))
            && let Ok(column) = Column::decode(&head, body, &times(len as usize))
        {
            let mut back = Strings::default();
            column.push_values(None, &mut back.text, &mut back.ends);
            prop_assert_eq!(back.len(), len as usize);
            column.find(b"1");
            head.find(b"1");
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        kind in 0..8_u8,
        rows in 0..100_u8,
        head in prop::collection::vec(any::<u8>(), 0..40),
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let head = [vec![kind, rows], head].concat();
        if let Ok(head) = read_head(&mut Reader::new(&head))
            && let Ok(column) = Column::decode(&head, &body, &times(head.rows()))
        {
            column.find(b"1");
            prop_assert!(column.memory_bytes() < 4 << 20);
        }
    }

    #[test]
    fn planes_and_numbers_read_back(
        values in prop::collection::vec((any::<i64>(), 0..64_u32).prop_map(|(value, less)| value >> less), 0..200),
        skew in 1..9_u32,
    ) {
        let mut out = Vec::new();
        planes::put_numbers(&values, &mut out);
        // Few symbols, some much more frequent than others.
        let plane: Vec<u8> = values.iter().map(|value| value.trailing_zeros().pow(2) as u8 >> (skew - 1)).collect();
        planes::put_plane(&plane, &mut out);
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        planes::put_plane(&bytes, &mut out);
        planes::put_text(&bytes, &mut out);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(planes::read_numbers(&mut reader, values.len()), Ok(values));
        prop_assert_eq!(planes::read_plane(&mut reader, plane.len()), Ok(plane));
        prop_assert_eq!(planes::read_plane(&mut reader, bytes.len()), Ok(bytes.clone()));
        prop_assert_eq!(planes::read_text(&mut reader), Ok(bytes));
        prop_assert_eq!(reader.left(), 0);
    }
}
