//! Owns what the screen shows: keys, events and sizes in, rows of coloured text out. Refuses to know terminals
//! and time: it is a function of what it was given.
//!
//! Lines are numbered from the first ever; the scrollback holds the newest. `bottom` is the last line shown, or
//! the newest whatever comes while it is `None`.

mod find;
mod rows;

use std::collections::VecDeque;

use super::line::{Span, Tint};
use find::Needle;

/// Lines that can be scrolled back to.
const LINES_MAX: usize = 20_000;

/// Their bytes.
const BYTES_MAX: usize = 32 << 20;

/// Characters of a search.
const NEEDLE_MAX: usize = 200;

/// A key, as far as the screen cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Backspace,
    /// Ctrl-C.
    Interrupt,
}

/// Whether the screen goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Go,
    Quit,
}

/// The screen.
pub(super) struct Screen {
    title: String,
    width: usize,
    height: usize,
    lines: VecDeque<Vec<Span>>,
    bytes: usize,
    /// Number of the oldest line in the scrollback.
    first: u64,
    bottom: Option<u64>,
    is_wrapped: bool,
    /// What is being typed behind `/`.
    typing: Option<String>,
    needle: Option<Needle>,
    /// The line that the search is at.
    found: Option<u64>,
    notice: String,
}

impl Screen {
    pub(super) fn new(title: String, width: usize, height: usize) -> Screen {
        Screen {
            title,
            width: width.max(1),
            height: height.max(2),
            lines: VecDeque::new(),
            bytes: 0,
            first: 0,
            bottom: None,
            is_wrapped: true,
            typing: None,
            needle: None,
            found: None,
            notice: String::new(),
        }
    }

    pub(super) fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width.max(1), height.max(2));
    }

    /// A line came.
    pub(super) fn add(&mut self, line: Vec<Span>) {
        self.bytes += bytes_of(&line);
        self.lines.push_back(line);
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX && self.lines.len() > 1 {
            if let Some(gone) = self.lines.pop_front() {
                self.bytes -= bytes_of(&gone);
                self.first += 1;
            }
        }
        // What is looked at may be gone.
        self.bottom = self.bottom.map(|bottom| bottom.max(self.first));
    }

    /// Something to know that is no event: it is shown among the events, and below until the next.
    pub(super) fn notice(&mut self, text: &str) {
        self.add(vec![Span::new(format!("-- {text}"), Tint::Status)]);
        text.clone_into(&mut self.notice);
    }

    pub(super) fn press(&mut self, key: Key) -> Outcome {
        if key == Key::Interrupt {
            return Outcome::Quit;
        }
        if let Some(typed) = self.typing.take() {
            self.type_on(typed, key);
            return Outcome::Go;
        }
        let page = self.height.saturating_sub(2).max(1) as u64;
        match key {
            Key::Char('q') => return Outcome::Quit,
            Key::Char(' ') => self.bottom = if self.bottom.is_none() { self.newest() } else { None },
            Key::Char('/') => self.typing = Some(String::new()),
            Key::Char('n') => self.find(true),
            Key::Char('N') => self.find(false),
            Key::Char('w') => self.is_wrapped = !self.is_wrapped,
            Key::Char('c') => self.clear(),
            Key::Up | Key::Char('k') => self.scroll_up(1),
            Key::Down | Key::Char('j') => self.scroll_down(1),
            Key::PageUp | Key::Char('b') => self.scroll_up(page),
            Key::PageDown | Key::Char('f') => self.scroll_down(page),
            Key::Home | Key::Char('g') => self.scroll_up(u64::MAX),
            Key::End | Key::Char('G') => self.bottom = None,
            Key::Escape => {
                (self.needle, self.found) = (None, None);
                self.notice.clear();
            }
            Key::Char(_) | Key::Enter | Key::Backspace | Key::Interrupt => {}
        }
        Outcome::Go
    }

    fn type_on(&mut self, mut typed: String, key: Key) {
        match key {
            Key::Enter => {
                self.needle = Needle::new(&typed);
                self.found = None;
                self.find(true);
            }
            Key::Escape => {}
            Key::Backspace => {
                // Backspace behind the last character leaves the search.
                if typed.pop().is_some() {
                    self.typing = Some(typed);
                }
            }
            Key::Char(c) if typed.chars().count() < NEEDLE_MAX => {
                typed.push(c);
                self.typing = Some(typed);
            }
            _ => self.typing = Some(typed),
        }
    }

    /// Goes to the next older (or newer) line that holds what is searched for.
    fn find(&mut self, older: bool) {
        let (Some(needle), Some(newest)) = (&self.needle, self.newest()) else { return };
        let holds = |number: &u64| self.line(*number).is_some_and(|line| needle.is_in(line));
        let start = self.found.or(self.bottom);
        let found = match (older, start) {
            (true, None) => (self.first..=newest).rev().find(holds),
            (true, Some(start)) => {
                // The first search begins with what is on the screen.
                let end = if self.found.is_some() { start } else { start + 1 };
                (self.first..end).rev().find(holds)
            }
            (false, start) => (start.map_or(self.first, |start| start + 1)..=newest).find(holds),
        };
        match found {
            Some(number) => {
                self.found = Some(number);
                self.notice.clear();
                self.show(number);
            }
            None => self.notice = format!("nothing {} holds {:?}", age(older), needle.text()),
        }
    }

    /// Makes a line visible, near the middle where it was not.
    fn show(&mut self, number: u64) {
        let (low, high) = self.visible();
        if (low..=high).contains(&number) {
            self.bottom = Some(high);
        } else {
            let below = (self.height / 2) as u64;
            self.bottom = Some((number + below).min(self.newest().unwrap_or(number)));
        }
    }

    fn clear(&mut self) {
        self.first += self.lines.len() as u64;
        self.lines.clear();
        (self.bytes, self.bottom, self.found) = (0, None, None);
    }

    fn scroll_up(&mut self, lines: u64) {
        let Some(newest) = self.newest() else { return };
        let bottom = self.bottom.unwrap_or(newest);
        let least = self.least_bottom().min(newest);
        self.bottom = Some(bottom.saturating_sub(lines).max(least).min(newest));
    }

    fn scroll_down(&mut self, lines: u64) {
        let Some(bottom) = self.bottom else { return };
        let moved = bottom.saturating_add(lines);
        // At the end it follows again.
        self.bottom = Some(moved).filter(|moved| self.newest().is_some_and(|newest| *moved < newest));
    }

    fn newest(&self) -> Option<u64> {
        (self.first + self.lines.len() as u64).checked_sub(1).filter(|newest| *newest >= self.first)
    }

    fn line(&self, number: u64) -> Option<&Vec<Span>> {
        self.lines.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The row at the foot.
    fn status(&self) -> Vec<Span> {
        if let Some(typed) = &self.typing {
            return vec![Span::new(format!("/{typed}"), Tint::Plain)];
        }
        let state = match (self.bottom, self.newest()) {
            (Some(bottom), Some(newest)) if newest > bottom => format!("PAUSED, {} below", newest - bottom),
            (Some(_), _) => "PAUSED".to_owned(),
            (None, _) => "following".to_owned(),
        };
        let search = self.needle.as_ref().map_or_else(String::new, |needle| format!("  /{}", needle.text()));
        let notice = if self.notice.is_empty() { String::new() } else { format!("  {}", self.notice) };
        let keys = "  space pause  / search  q quit";
        vec![Span::new(format!(" {}  {state}{search}{notice}{keys}", self.title), Tint::Status)]
    }
}

fn age(older: bool) -> &'static str {
    if older { "above" } else { "below" }
}

fn bytes_of(line: &[Span]) -> usize {
    // A line without text has its weight too.
    64 + line.iter().map(|span| span.text.len() + size_of::<Span>()).sum::<usize>()
}

#[cfg(test)]
mod tests;
