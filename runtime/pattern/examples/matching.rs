//! Events per second on one core for patterns of each kind, over generated lines.
//!
//! `cargo run --release -p pattern --example matching [EVENTS]`. Each figure is the best of
//! several rounds over the same messages; every round makes fresh documents, so that parsing is
//! paid for each time. The last figures lend one document to many patterns.

#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;

use pattern::{Document, NoGuests, Options, Pattern};

const ROUNDS: usize = 7;

/// A small generator, so that every run sees the same lines.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.roll(from.len() as u64) as usize]
    }
}

fn text_line(dice: &mut Dice) -> String {
    let level = if dice.roll(100) < 2 { "ERROR" } else { dice.pick(&["INFO", "DEBUG", "WARN"]) };
    let (thread, took, id) = (dice.roll(64), dice.roll(3000), dice.roll(1 << 32));
    let class = dice.pick(&["c.e.orders.Checkout", "c.e.stock.Reserve", "c.e.mail.Outbox"]);
    format!(
        "2031-04-05T10:{:02}:{:02}.{:03}Z {level} [worker-{thread}] {class} - request {id:08x} of tenant {} finished \
         after {took} ms with {} items in the basket and nothing else to say about it",
        dice.roll(60),
        dice.roll(60),
        dice.roll(1000),
        dice.roll(500),
        dice.roll(40),
    )
}

fn json_line(dice: &mut Dice) -> String {
    let status = if dice.roll(100) < 2 { 503 } else { 200 };
    let (path, method) = (dice.pick(&["/v1/orders", "/v1/stock", "/health"]), dice.pick(&["GET", "POST"]));
    format!(
        r#"{{"ts":"2031-04-05T10:00:{:02}.{:03}Z","level":"info","msg":"request done","method":"{method}","path":"{path}","status":{status},"latency_ms":{},"bytes":{},"client":{{"ip":"10.{}.{}.7","agent":"loader/2.1 (linux; x86_64)"}},"trace":"{:016x}","tags":["web","eu"]}}"#,
        dice.roll(60),
        dice.roll(1000),
        dice.roll(900),
        dice.roll(90_000),
        dice.roll(256),
        dice.roll(256),
        dice.roll(1 << 31) * 0x1_0000_0001,
    )
}

fn space_line(dice: &mut Dice) -> String {
    let status = if dice.roll(100) < 2 { 404 } else { 200 };
    format!(
        "10.{}.{}.7 - user{} [05/Apr/2031:10:00:{:02} +0000] \"GET /shop/item/{}.html HTTP/1.1\" {status} {} \
         \"https://shop.example/list\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
        dice.roll(256),
        dice.roll(256),
        dice.roll(900),
        dice.roll(60),
        dice.roll(9000),
        dice.roll(90_000),
    )
}

fn best_ns_per_event(messages: &[String], mut work: impl FnMut(&str) -> bool) -> (f64, usize) {
    let mut best = f64::INFINITY;
    let mut hits = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        hits = messages.iter().filter(|message| work(black_box(message))).count();
        best = best.min(start.elapsed().as_nanos() as f64 / messages.len() as f64);
    }
    (best, hits)
}

fn report(label: &str, messages: &[String], work: impl FnMut(&str) -> bool) {
    let (ns, hits) = best_ns_per_event(messages, work);
    let bytes = messages.iter().map(String::len).sum::<usize>() as f64 / messages.len() as f64;
    println!(
        "{label:<58} {:>8.2} M events/s {:>7.0} ns {:>6.2} GB/s {:>7} hits",
        1e3 / ns,
        ns,
        bytes / ns,
        hits
    );
}

fn run(text: &str, messages: &[String]) {
    let pattern = Pattern::parse(text, Options::default()).unwrap_or_else(|error| panic!("{error}"));
    let shown: String = text.chars().take(56).collect();
    report(&shown, messages, |message| pattern.matches(&Document::new(message), &mut NoGuests));
}

fn main() {
    let events = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let lines = |make: fn(&mut Dice) -> String| -> Vec<String> {
        let mut dice = Dice(42);
        (0..events).map(|_| make(&mut dice)).collect()
    };
    let (text, json, space) = (lines(text_line), lines(json_line), lines(space_line));
    for pattern in [
        "ERROR",
        "ERROR -tenant",
        "?ERROR ?FATAL ?Exception",
        "%after 29[0-9]{2} ms%",
        "[..., w = 40, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10]",
    ] {
        run(pattern, &text);
    }
    for pattern in [
        "{ $.status >= 500 }",
        "{ $.status = 503 && $.method = POST }",
        "{ $.client.ip = \"10.3.*\" }",
        "{ $.path = x || $.method = PUT }",
        "{ $.latency_ms > 890 && $.status = 200 }",
        "{ $.missing IS TRUE }",
        "{ $.tags[*] = eu }",
        "{ $.path = a1 || $.path = b2 || $.path = c3 || $.path = d4 || $.path = e5 || $.path = f6 || $.path = g7 }",
    ] {
        run(pattern, &json);
    }
    for pattern in [
        "[ip, id, user, time, request, status = 404, ...]",
        "[ip, id, user, time, request = \"*item/42*\", status, ...]",
        "[ip = 10.3.*, ...]",
        "[..., status = 404, bytes, ref, agent]",
        "[w1 = \"*html*\"]",
    ] {
        run(pattern, &space);
    }
    report("parse one JSON object", &json, |message| Document::new(message).is_json_object());
    let many: Vec<Pattern> = (0..20)
        .map(|at| format!("{{ $.latency_ms > {} && $.client.agent = \"load*\" }}", at * 45))
        .map(|text| Pattern::parse(&text, Options::default()).unwrap_or_else(|error| panic!("{error}")))
        .collect();
    report("20 JSON patterns over one lent document", &json, |message| {
        let document = Document::new(message);
        many.iter().filter(|pattern| pattern.matches(&document, &mut NoGuests)).count() > 0
    });
}
