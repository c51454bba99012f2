//! Sample logs of the demo, made at run time: a shop with a web front, an API, a worker and a payment gateway.
//!
//! Owns the texts and their order; the caller says when they happen. The same seed gives the same lines. Refuses to
//! know where the lines go.

/// What a stream of sample lines looks like and where it belongs.
pub(super) struct Sample {
    /// Log group, as the demo creates it.
    pub(super) group: &'static str,
    /// Log stream inside the group.
    pub(super) stream: &'static str,
    /// Writes line number `n` of this stream.
    line: fn(&mut Draw, n: usize) -> String,
}

/// The four kinds of logs that the demo sends.
pub(super) const SAMPLES: &[Sample] = &[
    Sample { group: "/demo/web", stream: "edge-1", line: web },
    Sample { group: "/demo/api", stream: "orders-7f9c", line: api },
    Sample { group: "/demo/worker", stream: "mailer-2", line: worker },
    Sample { group: "/demo/payments", stream: "gateway-1", line: payments },
];

impl Sample {
    /// `count` lines of this stream.
    pub(super) fn lines(&self, seed: u64, count: usize) -> Vec<String> {
        let mut draw = Draw(seed ^ self.stream.len() as u64 | 1);
        (0..count).map(|n| (self.line)(&mut draw, n)).collect()
    }
}

/// A small repeatable generator (xorshift64*): sample data needs no randomness that anybody could not predict.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }
}

const PEOPLE: &[&str] = &["ada", "grace", "linus", "margaret", "ken", "barbara", "edsger", "radia"];
const PATHS: &[&str] = &["/", "/cart", "/orders", "/orders/41", "/products/7", "/login", "/search?q=axe"];

fn web(draw: &mut Draw, _n: usize) -> String {
    let status = ["200", "200", "200", "304", "404", "503"][draw.below(6) as usize];
    let (a, b) = (draw.below(250) + 1, draw.below(250) + 1);
    let (path, bytes, ms) = (draw.of(PATHS), draw.below(9000) + 120, draw.below(400) + 3);
    format!("203.0.113.{a} - - \"GET {path} HTTP/1.1\" {status} {bytes} \"-\" \"client/{b}\" {ms}")
}

fn api(draw: &mut Draw, n: usize) -> String {
    let person = draw.of(PEOPLE);
    let failed = draw.below(9) == 0;
    let (status, level) = if failed { (503, "ERROR") } else { (200, "INFO") };
    let latency = if failed { 1800 + draw.below(1200) } else { 12 + draw.below(240) };
    let path = draw.of(PATHS);
    let text = if failed { "upstream payments timed out" } else { "order accepted" };
    format!(
        "{{\"level\":\"{level}\",\"service\":\"orders\",\"path\":\"{path}\",\"status\":{status},\
         \"latency\":{latency},\"user\":\"{person}@example.com\",\"order\":{n},\"msg\":\"{text}\"}}"
    )
}

fn worker(draw: &mut Draw, n: usize) -> String {
    let person = draw.of(PEOPLE);
    match draw.below(8) {
        0 => {
            format!("[ERROR] mailer: SMTP refused receipt #{n} for {person}@example.com: 451 try again later")
        }
        1 => format!("[WARN] mailer: queue depth {}", 40 + draw.below(200)),
        _ => format!("[INFO] mailer: sent receipt #{n} in {} ms", 20 + draw.below(90)),
    }
}

fn payments(draw: &mut Draw, n: usize) -> String {
    let amount = draw.below(90) + 9;
    match draw.below(7) {
        0 => format!(
            "ERROR charge {n} failed: card 4111 1111 1111 1111 declined by issuer, amount {amount}.00 EUR"
        ),
        1 => "Traceback: TimeoutError: gateway did not answer within 2.0 s".to_owned(),
        _ => {
            format!("charge {n} settled amount={amount}.00 currency=EUR duration={}ms", 80 + draw.below(300))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_lines_and_every_kind_has_an_error() {
        for sample in SAMPLES {
            let lines = sample.lines(7, 200);
            assert_eq!(lines, sample.lines(7, 200));
            assert!(lines.iter().any(|l| l.contains("ERROR") || l.contains(" 503 ")), "{}", sample.group);
        }
    }

    #[test]
    fn api_lines_are_json() {
        for line in SAMPLES[1].lines(3, 50) {
            let value: serde_json::Value = serde_json::from_str(&line).expect("a sample line is JSON");
            assert!(value["latency"].is_u64());
        }
    }
}
