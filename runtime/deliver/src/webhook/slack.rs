//! Owns the Slack incoming-webhook body: blocks, escapes and limits.
//! Refuses to know other channels.

use serde_json::{Value, json};

use crate::message::Message;
use crate::notice::{CHAT_LINE_CHARS, Notice};
use crate::text::{clip, unfenced};

/// Slack allows 3000 characters in a section; escapes and the fence need room.
const SECTION_MAX: usize = 2800;
const TITLE_MAX: usize = 250;
/// Log lines go into at most this many sections.
const LINE_SECTIONS: usize = 4;

/// Slack's three control characters; with them gone no mention, link or command is left.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Escapes and then cuts, so that the limit holds for what is sent; no entity is cut in two.
fn bounded(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let piece = escape(c.encode_utf8(&mut [0; 4]));
        used += piece.chars().count();
        if used >= limit {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
}

fn section(markdown: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": markdown, "verbatim": true } })
}

/// A code block that the text cannot close.
fn fenced(text: &str) -> String {
    format!("```{}```", bounded(&unfenced(text), SECTION_MAX))
}

pub(super) fn body(notice: &Notice, _: &Message) -> Value {
    let title = bounded(&notice.title, TITLE_MAX);
    let mut blocks = vec![section(&format!("*{title}*"))];
    match &notice.alarm {
        Some(alarm) => {
            let mut facts = bounded(&alarm.reason, SECTION_MAX);
            if !alarm.description.is_empty() {
                facts = format!("{}\n{facts}", bounded(&alarm.description, 500));
                facts = clip(&facts, SECTION_MAX);
            }
            blocks.push(section(&facts));
            let mut rest = notice.shown_lines(CHAT_LINE_CHARS);
            for _ in 0..LINE_SECTIONS {
                let (chunk, left) = take(&rest);
                if chunk.is_empty() {
                    break;
                }
                blocks.push(section(&fenced(&chunk)));
                rest = left;
            }
            let hidden = rest.len() + notice.hidden_lines();
            if hidden > 0 {
                blocks.push(section(&format!("… and {hidden} more lines")));
            }
            let foot = format!("{} → {} · {} · {}", alarm.previous, alarm.state, alarm.at, alarm.region);
            blocks.push(json!({
                "type": "context",
                "elements": [{ "type": "mrkdwn", "text": bounded(&foot, 1000), "verbatim": true }],
            }));
        }
        None => blocks.push(section(&bounded(&notice.text, SECTION_MAX))),
    }
    // The text beside blocks is what notifications on the screen show.
    json!({ "text": title, "blocks": blocks })
}

/// As many lines as fit into one section, and the rest.
fn take(lines: &[String]) -> (String, Vec<String>) {
    let mut chunk = String::new();
    for (at, line) in lines.iter().enumerate() {
        let size = escape(&unfenced(line)).chars().count();
        let used = escape(&unfenced(&chunk)).chars().count();
        if !chunk.is_empty() && used + size + 1 >= SECTION_MAX {
            return (chunk, lines[at..].to_vec());
        }
        if !chunk.is_empty() {
            chunk.push('\n');
        }
        chunk.push_str(line);
    }
    (chunk, Vec::new())
}
