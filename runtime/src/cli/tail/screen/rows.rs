//! Owns which rows of the terminal hold which lines. Refuses to know keys.

use super::Screen;
use crate::cli::tail::cells;
use crate::cli::tail::line::{Span, Tint};

impl Screen {
    /// Every row of the terminal, the status at the foot.
    pub(in crate::cli::tail) fn rows(&self) -> Vec<Vec<Span>> {
        let room = self.height - 1;
        let (low, high) = self.visible();
        let mut rows = Vec::new();
        for number in low..=high {
            rows.extend(self.rows_of(number));
        }
        if self.bottom_line().is_some_and(|bottom| high == bottom) {
            // The oldest line may begin above the screen.
            rows.drain(..rows.len().saturating_sub(room));
        }
        rows.truncate(room);
        rows.resize(room, Vec::new());
        let status = cut(&self.status(), self.width);
        rows.push(if self.typing.is_some() { status } else { filled(status, self.width) });
        rows
    }

    fn bottom_line(&self) -> Option<u64> {
        self.bottom.or_else(|| self.newest())
    }

    /// The lines on the screen, first and last; an empty range where there are none.
    pub(super) fn visible(&self) -> (u64, u64) {
        let (Some(bottom), Some(newest)) = (self.bottom_line(), self.newest()) else { return (1, 0) };
        let room = self.height - 1;
        let (mut low, mut high) = (bottom, bottom);
        let mut rows = self.rows_of(bottom).len();
        while rows < room && low > self.first {
            low -= 1;
            rows += self.rows_of(low).len();
        }
        // Near the oldest line the rest of the screen shows what comes below.
        while rows < room && high < newest {
            high += 1;
            rows += self.rows_of(high).len();
        }
        (low, high)
    }

    /// The last line of a screen that begins with the oldest.
    pub(super) fn least_bottom(&self) -> u64 {
        let room = self.height - 1;
        let (mut number, mut rows) = (self.first, self.rows_of(self.first).len());
        while rows < room && self.newest().is_some_and(|newest| number < newest) {
            number += 1;
            rows += self.rows_of(number).len();
        }
        number
    }

    fn rows_of(&self, number: u64) -> Vec<Vec<Span>> {
        let Some(line) = self.line(number) else { return Vec::new() };
        let marked = self.needle.as_ref().map(|needle| needle.marked(line));
        let line = marked.as_deref().unwrap_or(line);
        if self.is_wrapped { wrapped(line, self.width, self.height) } else { vec![cut(line, self.width)] }
    }
}

/// The line in rows of `width` cells, at most `rows_max`.
fn wrapped(line: &[Span], width: usize, rows_max: usize) -> Vec<Vec<Span>> {
    let mut rows = vec![Vec::new()];
    let mut used = 0;
    for span in line {
        let mut text = String::new();
        for c in span.text.chars() {
            let cells = cells::width(c);
            if used + cells > width && used > 0 {
                push(&mut rows, &mut text, span.tint);
                if rows.len() == rows_max {
                    return rows;
                }
                rows.push(Vec::new());
                used = 0;
            }
            text.push(c);
            used += cells;
        }
        push(&mut rows, &mut text, span.tint);
    }
    rows
}

fn push(rows: &mut [Vec<Span>], text: &mut String, tint: Tint) {
    if let (false, Some(row)) = (text.is_empty(), rows.last_mut()) {
        row.push(Span::new(std::mem::take(text), tint));
    }
}

/// What of the line fits into `width` cells.
fn cut(line: &[Span], width: usize) -> Vec<Span> {
    wrapped(line, width, 1).remove(0)
}

/// The row with blanks up to `width` cells.
fn filled(mut row: Vec<Span>, width: usize) -> Vec<Span> {
    let used: usize = row.iter().flat_map(|span| span.text.chars()).map(cells::width).sum();
    row.push(Span::new(" ".repeat(width.saturating_sub(used)), Tint::Status));
    row
}
