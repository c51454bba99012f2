//! What the demo looks like on a terminal: numbered steps, a progress line, quoted text.
//!
//! Owns colours and widths; plain lines where standard output is no terminal. Refuses to know the story.

use std::io::{IsTerminal as _, Write as _};

/// The demo's output.
pub(super) struct Screen {
    colours: bool,
    step: usize,
}

/// Steps that the demo announces as `[n/STEPS]`.
pub(super) const STEPS: usize = 8;

impl Screen {
    /// A screen on standard output.
    pub(super) fn new() -> Screen {
        let out = std::io::stdout();
        let plain = std::env::var_os("NO_COLOR").is_some();
        Screen { colours: out.is_terminal() && !plain, step: 0 }
    }

    /// Announces the next step.
    pub(super) fn step(&mut self, title: &str) {
        self.step += 1;
        let title = format!("[{}/{STEPS}] {title}", self.step);
        println!("\n{}", self.paint("1;36", &title));
    }

    /// A sentence about what happened.
    pub(super) fn say(&self, text: &str) {
        println!("  {text}");
    }

    /// Text that came from the product, line by line behind a bar.
    pub(super) fn quote(&self, text: &str) {
        for line in text.lines() {
            println!("  {} {}", self.paint("2", "│"), line);
        }
    }

    /// Something that went as promised.
    pub(super) fn good(&self, text: &str) {
        println!("  {} {text}", self.paint("1;32", "✓"));
    }

    /// A progress line that is drawn over itself on a terminal; in a pipe only its end is printed.
    pub(super) fn progress(&self, label: &str, done: usize, total: usize) {
        let width = 30;
        let full = (done * width).checked_div(total).unwrap_or(width);
        let bar: String = (0..width).map(|i| if i < full { '█' } else { '░' }).collect();
        if self.colours {
            print!("\r  {bar} {done:>5}/{total} {label:<28}");
            if done == total {
                println!();
            }
            // A terminal that has gone away ends the demo at the next line anyway.
            let _ = std::io::stdout().flush();
        } else if done == total {
            println!("  {done}/{total} {label}");
        }
    }

    /// `text` in the ANSI style `style` where colours are shown.
    pub(super) fn paint(&self, style: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
