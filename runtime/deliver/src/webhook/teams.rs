//! Owns the Microsoft Teams body: an Adaptive Card whose foreign text stands in rich-text runs, which
//! have no markup to escape. Refuses to know other channels.

use serde_json::{Value, json};

use crate::message::Message;
use crate::notice::{CHAT_LINE_CHARS, Notice};
use crate::text::clip;

/// Teams takes 28 KB in all, in UTF-8.
const BYTES_MAX: usize = 24 * 1024;
const TITLE_MAX: usize = 250;
const TEXT_MAX: usize = 4000;

fn run(text: &str) -> Value {
    json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text }] })
}

pub(super) fn body(notice: &Notice, _: &Message) -> Value {
    let mut blocks = vec![json!({
        "type": "RichTextBlock",
        "inlines": [{
            "type": "TextRun", "text": clip(&notice.title, TITLE_MAX), "weight": "Bolder", "size": "Medium",
        }],
    })];
    match &notice.alarm {
        Some(alarm) => {
            blocks.push(run(&clip(&alarm.reason, TEXT_MAX)));
            let lines = notice.shown_lines(CHAT_LINE_CHARS);
            let mut used = 0;
            let mut count = 0;
            for line in &lines {
                // JSON escapes may double a byte.
                used += line.len() * 2 + 120;
                if used > BYTES_MAX - 3 * TEXT_MAX {
                    break;
                }
                count += 1;
                blocks.push(json!({
                    "type": "RichTextBlock",
                    "spacing": "None",
                    "inlines": [{ "type": "TextRun", "text": line, "fontType": "Monospace", "size": "Small" }],
                }));
            }
            let hidden = lines.len() - count + notice.hidden_lines();
            if hidden > 0 {
                blocks.push(run(&format!("… and {hidden} more lines")));
            }
            let foot = format!("{} → {} · {} · {}", alarm.previous, alarm.state, alarm.at, alarm.region);
            blocks.push(json!({
                "type": "RichTextBlock",
                "inlines": [{ "type": "TextRun", "text": clip(&foot, 500), "isSubtle": true, "size": "Small" }],
            }));
        }
        None => blocks.push(run(&clip(&notice.text, TEXT_MAX))),
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": blocks,
            },
        }],
    })
}
