//! Owns the choice of a kind for the values of a column. Refuses to know how a kind works.

use super::sample::Sample;
use super::{EncodedColumn, Strings, constant, decimal, dictionary, hex, int, pattern, text, time};
use crate::filter::Builder;

/// Values to be encoded.
pub(super) struct Input<'a> {
    pub(super) values: &'a Strings,
    /// The event time of each row.
    pub(super) times: &'a [i64],
    pub(super) sample: Sample,
}

/// One attempt to store the values; nothing when the kind does not fit them. Feeds the filter only on success.
type Attempt = fn(&Input<'_>, &mut Builder) -> Option<EncodedColumn>;

/// In the order in which they are tried; the last one fits everything.
const ATTEMPTS: [Attempt; 9] = [
    constant::encode,
    time::encode,
    int::encode_times,
    dictionary::encode,
    int::encode,
    decimal::encode,
    hex::encode,
    pattern::encode,
    text::encode,
];

/// Encodes the values of a column and adds their words to the filter. `times` are the event times of the rows.
pub(crate) fn encode(values: &Strings, times: &[i64], filter: &mut Builder) -> EncodedColumn {
    let input = Input { values, times, sample: Sample::of(values) };
    ATTEMPTS.iter().find_map(|attempt| attempt(&input, filter)).unwrap_or_default()
}
