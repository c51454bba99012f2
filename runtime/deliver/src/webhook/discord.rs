//! Owns the Discord webhook body: embed, escapes and limits.
//! Refuses to know other channels.

use serde_json::{Value, json};

use crate::message::Message;
use crate::notice::{CHAT_LINE_CHARS, Notice};
use crate::text::{clip, unfenced};

/// Discord: embed title 256, description 4096, footer 2048, an embed 6000 in all.
const TITLE_MAX: usize = 250;
const DESCRIPTION_MAX: usize = 4000;
const REASON_MAX: usize = 1000;

/// Markdown and mentions lose their meaning; `allowed_mentions` below says the same to the server.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\*_~`|>#-[]()<".contains(c) {
            out.push('\\');
        }
        out.push(c);
        if c == '@' {
            out.push('\u{200b}');
        }
    }
    out
}

/// Inside a code block only the fence itself and mentions need care.
fn fence_safe(text: &str) -> String {
    unfenced(text).replace('@', "@\u{200b}")
}

fn colour(state: &str) -> u32 {
    match state {
        "ALARM" => 0x00D1_3212,
        "OK" => 0x001D_8102,
        _ => 0x0068_7078,
    }
}

pub(super) fn body(notice: &Notice, _: &Message) -> Value {
    let mut embed = json!({ "title": clip(&escape(&clip(&notice.title, TITLE_MAX / 2)), TITLE_MAX) });
    match &notice.alarm {
        Some(alarm) => {
            let mut description = escape(&clip(&alarm.reason, REASON_MAX));
            let mut shown = String::new();
            let lines = notice.shown_lines(CHAT_LINE_CHARS);
            let room = DESCRIPTION_MAX.saturating_sub(description.chars().count() + 60);
            let mut count = 0;
            for line in &lines {
                let line = fence_safe(line);
                if shown.chars().count() + line.chars().count() + 1 > room {
                    if count == 0 {
                        shown = clip(&line, room);
                        count = 1;
                    }
                    break;
                }
                if count > 0 {
                    shown.push('\n');
                }
                shown.push_str(&line);
                count += 1;
            }
            if !shown.is_empty() {
                description.push_str(&format!("\n```\n{shown}\n```"));
            }
            let hidden = lines.len() - count + notice.hidden_lines();
            if hidden > 0 {
                description.push_str(&format!("\n… and {hidden} more lines"));
            }
            embed["description"] = description.into();
            embed["color"] = colour(&alarm.state).into();
            let foot = format!("{} → {} · {} · {}", alarm.previous, alarm.state, alarm.at, alarm.region);
            embed["footer"] = json!({ "text": clip(&foot.replace('@', "@\u{200b}"), 500) });
        }
        None => {
            embed["description"] =
                clip(&escape(&clip(&notice.text, DESCRIPTION_MAX)), DESCRIPTION_MAX).into();
        }
    }
    json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } })
}
