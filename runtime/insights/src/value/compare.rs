//! How values compare: `=`, `<` and friends in expressions, and the natural order of `sort`.
//! Knows nothing of rows.

use std::cmp::Ordering;

use super::number::{self, Number};
use super::{Cell, Value};

/// The comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// How the operator is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }

    /// Whether the comparison holds. Never with a null, a list or a map on either side.
    pub(crate) fn holds(self, a: Cell<'_>, b: Cell<'_>) -> bool {
        if !comparable(a) || !comparable(b) {
            return false;
        }
        match self {
            Comparison::Equal => equal(a, b),
            Comparison::NotEqual => !equal(a, b),
            Comparison::Less => order(a, b) == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(order(a, b), Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order(a, b) == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => matches!(order(a, b), Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

fn comparable(cell: Cell<'_>) -> bool {
    !matches!(cell, Cell::Null | Cell::List(_) | Cell::Map(_))
}

/// Text against text by bytes; a boolean also equals the words `true` and `false`; all else as numbers.
pub(crate) fn equal(a: Cell<'_>, b: Cell<'_>) -> bool {
    match (a, b) {
        (Cell::Text(a), Cell::Text(b)) => a == b,
        (Cell::Bool(flag), Cell::Text(word @ ("true" | "false")))
        | (Cell::Text(word @ ("true" | "false")), Cell::Bool(flag)) => flag == (word == "true"),
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => a.compare(b) == Ordering::Equal,
            _ => false,
        },
    }
}

/// As numbers if both are, as bytes if both are text, else not at all.
fn order(a: Cell<'_>, b: Cell<'_>) -> Option<Ordering> {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => Some(a.compare(b)),
        _ => match (a, b) {
            (Cell::Text(a), Cell::Text(b)) => Some(a.cmp(b)),
            _ => None,
        },
    }
}

/// A value with its number read once, because a sort compares it many times.
#[derive(Debug, Clone)]
pub(crate) struct SortKey {
    value: Value,
    number: Option<Number>,
}

impl SortKey {
    /// Lists and maps cannot be sorted by and count as absent.
    pub(crate) fn new(cell: Cell<'_>) -> SortKey {
        let value = if comparable(cell) { cell.to_value() } else { Value::Null };
        SortKey { number: cell.number(), value }
    }

    /// Natural order; absent keys come last whether ascending or descending.
    pub(crate) fn compare(&self, other: &SortKey, descending: bool) -> Ordering {
        natural((self.value.cell(), self.number), (other.value.cell(), other.number), descending)
    }

    /// As [`SortKey::compare`] with a value that has no key yet.
    pub(crate) fn compare_cell(&self, other: Cell<'_>, descending: bool) -> Ordering {
        let other = if comparable(other) { other } else { Cell::Null };
        natural((self.value.cell(), self.number), (other, other.number()), descending)
    }

    /// The value as a number, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        self.number.map(Number::float)
    }

    /// Bytes held, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.value.bytes() + size_of::<Option<Number>>()
    }
}

/// The natural order of two values, ascending, absent last.
pub(crate) fn natural_order(a: Cell<'_>, b: Cell<'_>) -> Ordering {
    natural((a, a.number()), (b, b.number()), false)
}

fn natural(a: (Cell<'_>, Option<Number>), b: (Cell<'_>, Option<Number>), descending: bool) -> Ordering {
    match (a.0.is_null(), b.0.is_null()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let order = match (a.1, b.1) {
        (Some(x), Some(y)) => x.compare(y).then_with(|| spelling(a.0, b.0)),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => match (a.0, b.0) {
            (Cell::Text(a), Cell::Text(b)) => chunks(a, b),
            (a, b) => chunks(&a.print().unwrap_or_default(), &b.print().unwrap_or_default()),
        },
    };
    if descending { order.reverse() } else { order }
}

/// Equal numbers in different spellings (`01`, `1`) keep a fixed order. Typed numbers are spelled as they
/// print, so that the order stays one.
fn spelling(a: Cell<'_>, b: Cell<'_>) -> Ordering {
    match (a, b) {
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        (Cell::Text(_), _) | (_, Cell::Text(_)) => a.text().cmp(&b.text()),
        _ => Ordering::Equal,
    }
}

/// Cut into digit and other chunks: digits by length then value, others by code point.
fn chunks(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let (Some(x), Some(y)) = (a.first(), b.first()) {
        if !(x.is_ascii_digit() && y.is_ascii_digit()) {
            if x != y {
                return x.cmp(y);
            }
            (a, b) = (&a[1..], &b[1..]);
            continue;
        }
        let (m, n) = (digits(a), digits(b));
        let order = m.cmp(&n).then_with(|| a[..m].cmp(&b[..n]));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (&a[m..], &b[n..]);
    }
    a.len().cmp(&b.len())
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// A number as text would print it, for keys that must not tell `7` from `"7"`.
pub(crate) fn write_canonical(cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Text(s) => out.extend_from_slice(s.as_bytes()),
        Cell::Float(x) => out.extend_from_slice(number::print(x).as_bytes()),
        Cell::Bool(b) => out.push(if b { b'1' } else { b'0' }),
        Cell::Int(n) | Cell::Time(n) => {
            use std::io::Write as _;
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{n}");
        }
        Cell::Null | Cell::List(_) | Cell::Map(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_order_holds() {
        let published = [
            "!:",
            "#",
            "*%04",
            "0#",
            "5A",
            "111A",
            "2345_",
            "@",
            "@_",
            "A",
            "A9876fghj",
            "a12345hfh",
            "0",
            "01",
            "1",
            "2",
            "3",
        ];
        for pair in published.windows(2) {
            assert_eq!(natural_order(Cell::Text(pair[0]), Cell::Text(pair[1])), Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn the_natural_order_is_an_order() {
        let list = Value::List(vec![Value::Int(1)].into());
        let cells = [
            Cell::Int(7),
            Cell::Float(7.0),
            Cell::Text("7"),
            Cell::Text("7.0"),
            Cell::Text("07"),
            Cell::Text("7e0"),
            Cell::Bool(true),
            Cell::Time(1),
            Cell::Int(9_007_199_254_740_993),
            Cell::Int(9_007_199_254_740_992),
            Cell::Float(9_007_199_254_740_992.0),
            Cell::Text("9007199254740993.0"),
            Cell::Text("a"),
            Cell::Text("[1]"),
            list.cell(),
            Cell::Null,
        ];
        for a in cells {
            for b in cells {
                assert_eq!(natural_order(a, b), natural_order(b, a).reverse(), "{a:?} {b:?}");
                for c in cells {
                    if natural_order(a, b).is_le() && natural_order(b, c).is_le() {
                        assert!(natural_order(a, c).is_le(), "{a:?} {b:?} {c:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn absent_keys_come_last_in_both_directions() {
        let (some, none) = (SortKey::new(Cell::Int(1)), SortKey::new(Cell::Null));
        for descending in [false, true] {
            assert_eq!(some.compare(&none, descending), Ordering::Less);
            assert_eq!(none.compare_cell(Cell::Int(1), descending), Ordering::Greater);
        }
    }

    #[test]
    fn comparisons() {
        use Comparison::{Equal, Greater, Less, NotEqual};
        let list = Value::List(vec![].into());
        let cases = [
            (Cell::Int(200), Equal, Cell::Text("200"), true),
            (Cell::Int(200), Equal, Cell::Text("abc"), false),
            (Cell::Int(200), NotEqual, Cell::Text("abc"), true),
            (Cell::Null, Equal, Cell::Null, false),
            (Cell::Null, NotEqual, Cell::Int(1), false),
            (Cell::Text("9"), Less, Cell::Text("10"), true),
            (Cell::Text("b"), Greater, Cell::Text("a"), true),
            (Cell::Text("b"), Greater, Cell::Int(1), false),
            (Cell::Text("7"), Equal, Cell::Text("7.0"), false),
            (Cell::Text("7.0"), Equal, Cell::Int(7), true),
            (Cell::Bool(true), Equal, Cell::Int(1), true),
            (Cell::Bool(true), Equal, Cell::Text("true"), true),
            (Cell::Bool(false), Equal, Cell::Bool(true), false),
            (list.cell(), NotEqual, Cell::Int(1), false),
        ];
        for (a, op, b, want) in cases {
            assert_eq!(op.holds(a, b), want, "{a:?} {} {b:?}", op.symbol());
        }
    }
}
