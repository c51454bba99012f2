//! The screen as people see it: keys in, rows out.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn screen(lines: usize, width: usize, height: usize) -> Screen {
    let mut screen = Screen::new("/a".to_owned(), width, height);
    (0..lines).for_each(|index| screen.add(vec![Span::new(format!("line {index}"), Tint::Plain)]));
    screen
}

fn text(rows: &[Vec<Span>]) -> Vec<String> {
    rows.iter().map(|row| row.iter().map(|span| span.text.as_str()).collect()).collect()
}

/// The rows but the last, and the last without its blanks.
fn shown(screen: &Screen) -> (Vec<String>, String) {
    let mut rows = text(&screen.rows());
    let status = rows.pop().unwrap().trim_end().to_owned();
    (rows, status)
}

fn press(screen: &mut Screen, keys: &str) {
    for c in keys.chars() {
        let key = match c {
            '\n' => Key::Enter,
            '\u{1b}' => Key::Escape,
            '\u{8}' => Key::Backspace,
            '^' => Key::Up,
            'v' => Key::Down,
            c => Key::Char(c),
        };
        assert_eq!(screen.press(key), Outcome::Go);
    }
}

#[test]
fn the_newest_lines_are_shown_until_it_is_paused_and_again_afterwards() {
    let mut screen = screen(5, 60, 4);
    assert_eq!(shown(&screen).0, ["line 2", "line 3", "line 4"]);
    press(&mut screen, " ");
    screen.add(vec![Span::new("new", Tint::Plain)]);
    let (rows, status) = shown(&screen);
    assert_eq!(rows, ["line 2", "line 3", "line 4"], "a paused screen stands still");
    assert!(status.contains("PAUSED, 1 below"), "{status}");
    press(&mut screen, " ");
    assert_eq!(shown(&screen).0, ["line 3", "line 4", "new"]);
    assert!(shown(&screen).1.contains("following"));
}

#[test]
fn scrolling_stops_at_both_ends() {
    let mut screen = screen(10, 60, 4);
    press(&mut screen, "^");
    assert_eq!(shown(&screen).0, ["line 6", "line 7", "line 8"]);
    screen.press(Key::PageUp);
    assert_eq!(shown(&screen).0, ["line 4", "line 5", "line 6"]);
    screen.press(Key::Home);
    assert_eq!(shown(&screen).0, ["line 0", "line 1", "line 2"]);
    press(&mut screen, "^^^^v");
    assert_eq!(shown(&screen).0, ["line 1", "line 2", "line 3"], "no key is lost beyond the end");
    screen.press(Key::PageDown);
    assert_eq!(shown(&screen).0, ["line 3", "line 4", "line 5"]);
    for _ in 0..3 {
        screen.press(Key::PageDown);
    }
    assert_eq!(shown(&screen).0, ["line 7", "line 8", "line 9"]);
    assert!(shown(&screen).1.contains("following"), "at the end it follows again");
}

#[test]
fn few_lines_begin_at_the_top() {
    let mut two = screen(2, 60, 5);
    assert_eq!(shown(&two).0, ["line 0", "line 1", "", ""]);
    press(&mut two, "^^^");
    assert_eq!(shown(&two).0, ["line 0", "line 1", "", ""]);
    assert_eq!(shown(&screen(0, 60, 3)).0, ["", ""]);
}

#[test]
fn long_lines_are_wrapped_or_cut() {
    let mut screen = screen(1, 8, 5);
    screen.add(vec![Span::new("abcdefgh漢字klm", Tint::Plain)]);
    assert_eq!(shown(&screen).0, ["line 0", "abcdefgh", "漢字klm", ""]);
    press(&mut screen, "w");
    assert_eq!(shown(&screen).0, ["line 0", "abcdefgh", "", ""]);
    press(&mut screen, "w");
    screen.resize(4, 4);
    assert_eq!(shown(&screen).0, ["efgh", "漢字", "klm"], "the end of a line that is longer than the screen");
}

#[test]
fn a_search_goes_up_and_down_and_says_when_there_is_no_more() {
    let mut screen = screen(30, 60, 4);
    press(&mut screen, "/LINE 1");
    assert_eq!(shown(&screen).1, "/LINE 1");
    press(&mut screen, "\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}line 7\n");
    let (rows, status) = shown(&screen);
    assert!(rows.contains(&"line 7".to_owned()), "{rows:?}");
    assert!(status.contains("/line 7") && status.contains("PAUSED"), "{status}");
    let marked: Vec<Span> =
        screen.rows().into_iter().flatten().filter(|span| span.tint == Tint::Found).collect();
    assert_eq!(marked, [Span::new("line 7", Tint::Found)]);
    press(&mut screen, "n");
    assert!(shown(&screen).1.contains("nothing above holds"), "{:?}", shown(&screen));
    press(&mut screen, "/line 2\n");
    assert_eq!(screen.found, Some(2), "a new search begins with what is on the screen");
    assert!(shown(&screen).0.contains(&"line 2".to_owned()));
    press(&mut screen, "\u{1b}");
    assert!(!shown(&screen).1.contains("/line"));
    press(&mut screen, "/x\u{1b}");
    assert!(!shown(&screen).1.starts_with('/'), "escape leaves the search");
}

#[test]
fn searching_older_and_newer_meets_every_match_once() {
    let mut screen = screen(25, 60, 4);
    press(&mut screen, "/line 2\n");
    let mut met = vec![screen.found.unwrap()];
    for _ in 0..5 {
        press(&mut screen, "n");
        met.push(screen.found.unwrap());
    }
    assert_eq!(met, [24, 23, 22, 21, 20, 2]);
    press(&mut screen, "N");
    assert_eq!(screen.found, Some(20));
}

#[test]
fn quitting_works_everywhere() {
    let mut screen = screen(1, 60, 4);
    assert_eq!(screen.press(Key::Char('q')), Outcome::Quit);
    press(&mut screen, "/q");
    assert_eq!(screen.press(Key::Interrupt), Outcome::Quit, "while typing too");
}

#[test]
fn the_scrollback_is_bounded_and_a_paused_screen_moves_with_its_end() {
    let mut screen = screen(10, 60, 4);
    screen.press(Key::Home);
    (0..LINES_MAX).for_each(|_| screen.add(vec![Span::new("x", Tint::Plain)]));
    assert_eq!(screen.lines.len(), LINES_MAX);
    assert_eq!(shown(&screen).0, ["x", "x", "x"]);
    let big = "y".repeat(BYTES_MAX / 4);
    (0..10).for_each(|_| screen.add(vec![Span::new(big.clone(), Tint::Plain)]));
    assert!(screen.bytes <= BYTES_MAX && screen.lines.len() < 10);
    press(&mut screen, "c");
    assert_eq!(shown(&screen).0, ["", "", ""]);
}

#[test]
fn notices_are_lines_and_stay_at_the_foot() {
    let mut screen = screen(1, 80, 4);
    screen.notice("connection lost");
    let (rows, status) = shown(&screen);
    assert_eq!(rows[1], "-- connection lost");
    assert!(status.contains("connection lost"));
}

proptest! {
    #[test]
    fn whatever_happens_the_rows_fit_the_terminal(
        steps in vec((0_usize..14, ".{0,40}"), 0..60),
        width in 1_usize..40,
        height in 1_usize..10,
    ) {
        let mut screen = Screen::new("title".to_owned(), width, height);
        let keys = [
            Key::Up, Key::Down, Key::PageUp, Key::PageDown, Key::Home, Key::End, Key::Enter, Key::Escape,
            Key::Char(' '), Key::Char('/'), Key::Char('n'), Key::Char('a'),
        ];
        for (step, text) in steps {
            match keys.get(step) {
                Some(key) => drop(screen.press(*key)),
                None => screen.add(vec![Span::new(crate::cli::tail::cells::tame(&text), Tint::Plain)]),
            }
            let rows = screen.rows();
            prop_assert_eq!(rows.len(), height.max(2));
            for row in &rows {
                let cells: usize =
                    row.iter().flat_map(|s| s.text.chars()).map(crate::cli::tail::cells::width).sum();
                // A character of two cells does not fit a terminal of one.
                prop_assert!(cells <= width.max(2), "{cells} cells of {width}");
            }
        }
    }
}
