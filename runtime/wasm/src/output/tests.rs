//! Lines, bounds and the answer.

use std::sync::{Arc, Mutex};

use super::Output;
use crate::{LogLevel, LogLine, LogSource, NotifyError, Services, SinkError};

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Services for Lines {
    fn log(&self, line: LogLine) {
        self.0.lock().unwrap().push(line.to_string());
    }
    fn topic_arn(&self, topic: &str) -> Result<String, NotifyError> {
        Err(NotifyError::NoSuchTopic(topic.to_owned()))
    }
    fn check_log_group(&self, group: &str) -> Result<(), SinkError> {
        Err(SinkError::NoSuchGroup(group.to_owned()))
    }
}

fn write(output: &Output, stderr: bool, text: &str) {
    output.lock().write(text.as_bytes(), stderr);
}

#[test]
fn bytes_become_lines_as_soon_as_they_are_whole() {
    let lines = Arc::new(Lines::default());
    let output = Output::new(lines.clone(), 1000, None);
    write(&output, false, "a\nb");
    write(&output, true, "err\r\n\n");
    write(&output, false, "c\nrest");
    assert_eq!(*lines.0.lock().unwrap(), ["a", "err", "bc"]);
    let written = output.finish();
    assert_eq!(lines.0.lock().unwrap().last().map(String::as_str), Some("rest"));
    assert_eq!((written.lines, written.truncated, written.stderr_tail.as_str()), (4, false, "err\r\n\n"));
}

#[test]
fn over_the_bound_one_line_says_so_and_the_rest_is_dropped() {
    let lines = Arc::new(Lines::default());
    let output = Output::new(lines.clone(), 10, None);
    write(&output, false, "12345678\nabcdef\n");
    write(&output, false, "more\n");
    output.line(LogSource::Log(LogLevel::Info), "more");
    let written = output.finish();
    assert!(written.truncated);
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines[..2], ["12345678", "a"]);
    assert!(lines[2].contains("more than 10 bytes") && lines.len() == 3, "{lines:?}");
}

#[test]
fn a_logged_line_is_cut_at_a_character() {
    let lines = Arc::new(Lines::default());
    let output = Output::new(lines.clone(), 4, None);
    output.line(LogSource::Stdout, "äöü");
    assert_eq!(lines.0.lock().unwrap()[0], "äö");
    let output = Output::new(lines.clone(), 3, None);
    output.line(LogSource::Stdout, "äöü");
    assert_eq!(lines.0.lock().unwrap()[2], "ä");
}

#[test]
fn stdout_as_the_answer_is_not_logged_and_its_true_size_is_known() {
    let lines = Arc::new(Lines::default());
    let output = Output::new(lines.clone(), 10, Some(4));
    write(&output, false, "{\"a\":1}\n");
    write(&output, true, "log\n");
    let written = output.finish();
    assert_eq!((written.answer.as_slice(), written.answer_total), (&b"{\"a\""[..], 8));
    assert_eq!(*lines.0.lock().unwrap(), ["log"]);
}
