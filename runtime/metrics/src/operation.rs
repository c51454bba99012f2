//! Owns the CloudWatch operations over metrics and alarms, one per file, as functions over the [`crate::records`]
//! verbs. Inputs and outputs are keyed by the model's member names, timestamps are epoch seconds. Refuses to know
//! protocols, permissions, tags and who carries out actions.

pub mod alarm_actions;
pub mod delete_alarms;
pub mod describe_alarm_history;
pub mod describe_alarms;
pub mod describe_alarms_for_metric;
pub mod evaluate_alarm;
pub mod get_metric_data;
pub mod get_metric_statistics;
pub mod list_metrics;
pub mod put_metric_alarm;
pub mod put_metric_data;
pub mod set_alarm_state;
pub mod sweep;

#[cfg(test)]
mod tests;

use crate::fault::Fault;

/// Why an operation failed: the caller's fault, or one of the records below.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure<E> {
    /// The caller is told this.
    Fault(Fault),
    /// The records could not be read or written.
    Records(E),
}

impl<E> From<Fault> for Failure<E> {
    fn from(fault: Fault) -> Failure<E> {
        Failure::Fault(fault)
    }
}

/// The outcome of an operation over records with the error `E`.
pub type Outcome<T, E> = Result<T, Failure<E>>;

pub(crate) fn unknown_alarm(name: &str) -> Fault {
    Fault::new(crate::Code::ResourceNotFound, format!("The alarm {name} does not exist."))
}

/// Paging tokens carry a text as hexadecimal digits, with the operation's letter in front.
pub(crate) fn token(letter: char, text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{letter}{digits}")
}

/// Reads back what [`token`] wrote.
pub(crate) fn read_token(letter: char, token: &str) -> Result<String, Fault> {
    let digits = token.strip_prefix(letter).filter(|digits| digits.is_ascii() && digits.len() % 2 == 0);
    let digits = digits.ok_or_else(Fault::next_token)?;
    let bytes: Result<Vec<u8>, _> =
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16)).collect();
    String::from_utf8(bytes.map_err(|_| Fault::next_token())?).map_err(|_| Fault::next_token())
}
