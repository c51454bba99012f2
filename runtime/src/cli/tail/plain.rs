//! Owns printing events line by line. Refuses to know terminals: colours are the look's.

use std::io::{BufWriter, Write as _};

use super::feed::{Feed, News};
use super::line::Look;
use crate::cli::client::ClientError;

/// Prints until `count` events were, or nobody reads any more. Notices go to stderr.
pub(super) async fn run(mut feed: Feed, look: &Look, count: Option<usize>) -> Result<(), ClientError> {
    let mut out = BufWriter::with_capacity(64 << 10, std::io::stdout());
    let mut left = count.unwrap_or(usize::MAX);
    if left == 0 {
        return Ok(());
    }
    loop {
        for one in feed.next().await? {
            let printed = match one {
                News::Event(event) => {
                    left -= 1;
                    writeln!(out, "{}", look.text(&event))
                }
                News::Notice(text) => {
                    eprintln!("logboom: {text}");
                    Ok(())
                }
            };
            if printed.is_err() || left == 0 {
                break;
            }
        }
        // Everything that came together is written together, and at once.
        if out.flush().is_err() || left == 0 {
            return Ok(());
        }
    }
}
