//! Owns the terminal: its mode, which is always given back, its keys and its painting. Refuses to know what is
//! shown (`screen`).

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{Command, execute};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::feed::{Feed, News};
use super::line::{Look, painted};
use super::screen::{Key, Outcome, Screen};
use crate::cli::client::ClientError;
use crate::clock::Clock;

/// The screen is painted no more often than this.
const PAINT_MS: i64 = 20;

/// How often the thread that reads keys looks whether it is still wanted.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// Pieces of news that wait for the screen.
const NEWS_WAITING: usize = 16;

/// The terminal in the mode of a full screen, until this is dropped.
struct Mode;

impl Mode {
    fn enter() -> io::Result<Mode> {
        enable_raw_mode()?;
        // From here on the drop gives back what was taken, also when the next step fails.
        let mode = Mode;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(mode)
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _gone = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _gone = disable_raw_mode();
    }
}

enum Input {
    Key(Key),
    Size(u16, u16),
}

/// Shows what comes until somebody quits.
pub(super) async fn run(feed: Feed, look: Look, title: String, clock: &Clock) -> Result<(), ClientError> {
    let failed = |error: io::Error| ClientError::Unreachable(format!("the terminal: {error}"));
    let (width, height) = size().map_err(failed)?;
    let mut screen = Screen::new(title, width.into(), height.into());
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mode = Mode::enter().map_err(failed)?;
    let mut keys = keys();
    let mut news = news(feed);
    let (mut is_dirty, mut paint_ms) = (true, clock.now_ms());
    let outcome = loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => break Ok(()),
            _ = hang_up.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            input = keys.inputs.recv() => match input {
                Some(Input::Key(key)) => {
                    if screen.press(key) == Outcome::Quit {
                        break Ok(());
                    }
                    is_dirty = true;
                }
                Some(Input::Size(width, height)) => {
                    screen.resize(width.into(), height.into());
                    is_dirty = true;
                }
                // Without keys nobody could quit.
                None => break Ok(()),
            },
            () = clock.sleep_until(paint_ms), if is_dirty => {
                if paint(&screen).is_err() {
                    break Ok(());
                }
                is_dirty = false;
                paint_ms = clock.now_ms() + PAINT_MS;
            }
            some = news.recv() => match some {
                Some(Ok(all)) => {
                    all.into_iter().for_each(|one| show(&mut screen, &look, one));
                    is_dirty = true;
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            },
        }
    };
    drop((mode, keys));
    outcome
}

fn show(screen: &mut Screen, look: &Look, one: News) {
    match one {
        News::Event(event) => look.spans(&event).into_iter().for_each(|line| screen.add(line)),
        News::Notice(text) => screen.notice(&text),
    }
}

/// The connection in a task of its own: a reconnect must not wait for keys.
fn news(mut feed: Feed) -> mpsc::Receiver<Result<Vec<News>, ClientError>> {
    let (send, news) = mpsc::channel(NEWS_WAITING);
    tokio::spawn(async move {
        loop {
            let next = feed.next().await;
            let is_last = next.is_err();
            if send.send(next).await.is_err() || is_last {
                return;
            }
        }
    });
    news
}

/// The thread that reads keys, which ends soon after this is dropped.
struct Keys {
    inputs: mpsc::Receiver<Input>,
    is_over: Arc<AtomicBool>,
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn keys() -> Keys {
    let (send, inputs) = mpsc::channel(64);
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            let input = match event::poll(KEY_WAIT) {
                Ok(true) => event::read(),
                Ok(false) => continue,
                Err(error) => Err(error),
            };
            let input = match input {
                Ok(event::Event::Key(key)) => key_of(&key).map(Input::Key),
                Ok(event::Event::Resize(width, height)) => Some(Input::Size(width, height)),
                Ok(_) => None,
                Err(_) => return,
            };
            if let Some(input) = input
                && send.blocking_send(input).is_err()
            {
                return;
            }
        }
    });
    Keys { inputs, is_over }
}

fn key_of(key: &KeyEvent) -> Option<Key> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c' | 'd') if with_control => Key::Interrupt,
        KeyCode::Char('u' | 'b') if with_control => Key::PageUp,
        KeyCode::Char('f') if with_control => Key::PageDown,
        KeyCode::Char(_) if with_control => return None,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    })
}

/// Paints the whole screen with one write.
fn paint(screen: &Screen) -> io::Result<()> {
    let mut out = String::new();
    ansi(&mut out, BeginSynchronizedUpdate)?;
    for (index, row) in screen.rows().iter().enumerate() {
        ansi(&mut out, MoveTo(0, u16::try_from(index).unwrap_or(u16::MAX)))?;
        painted(row, &mut out);
        ansi(&mut out, Clear(ClearType::UntilNewLine))?;
    }
    ansi(&mut out, EndSynchronizedUpdate)?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(out.as_bytes())?;
    stdout.flush()
}

fn ansi(out: &mut String, command: impl Command) -> io::Result<()> {
    command.write_ansi(out).map_err(io::Error::other)
}
