//! The vectorised engine against a naive interpreter that looks at one row at a time: random events,
//! lent in every way a block can lend them, and random queries must give the same rows.
//!
//! 200 pairs, 10,000 with `LOGBOOM_LONG=1`; `LOGBOOM_SEED=N` starts at another pair.

mod generate;
mod lend;
mod naive;

use generate::{Random, Story};

use super::cases::{BASE, window};
use crate::{Execution, NoFunctions, Output, Query};

/// Deals the events to blocks lent in random ways, and the blocks to executions that are merged.
fn run(query: &Query, story: &Story, random: &mut Random) -> Output {
    let mut parts: Vec<Execution> = (0..=random.below(2)).map(|_| Execution::new(query)).collect();
    let blocks = 1 + random.below(4);
    let mut dealt = vec![Vec::new(); blocks];
    for event in &story.events {
        let block = random.below(blocks);
        dealt[block].push(event.clone());
    }
    for events in dealt {
        let block = lend::Lent::new(&story.log, events, random);
        let part = random.below(parts.len());
        if block.wanted(&parts[part]) {
            parts[part].push(&block).expect("runs");
        }
    }
    let mut whole = parts.swap_remove(random.below(parts.len()));
    for part in parts {
        whole.merge(part).expect("merges");
    }
    whole.finish().expect("finishes")
}

/// Sums depend on the order of additions in the last digits.
fn same(a: &str, b: &str) -> bool {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-9);
    a == b || matches!((a.parse(), b.parse()), (Ok(a), Ok(b)) if close(a, b))
}

fn agree(got: &Output, want: &Output) -> bool {
    let fields = |a: &[(String, String)], b: &[(String, String)]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
    };
    got.rows.len() == want.rows.len()
        && got.rows.iter().zip(&want.rows).all(|(a, b)| fields(a, b))
        && got.matched == want.matched
}

fn check(seed: u64) {
    let mut random = Random::new(seed);
    let story = Story::new(&mut random);
    for _ in 0..3 {
        let commands = generate::query(&story, &mut random);
        let text: Vec<String> = commands.iter().map(ToString::to_string).collect();
        let text = text.join(" | ");
        let query = Query::compile(&text, &NoFunctions, BASE, window());
        let query = query.unwrap_or_else(|error| panic!("seed {seed}: {text}: {error}"));
        let want = naive::run(&commands, &story, window());
        for _ in 0..2 {
            let got = run(&query, &story, &mut random);
            let messages: Vec<&str> = story.events.iter().map(|event| event.message.as_str()).collect();
            assert!(
                agree(&got, &want),
                "seed {seed}: {text}\non {} {messages:#?}\ngot  {got:?}\nwant {want:?}",
                story.log
            );
        }
    }
}

#[test]
fn the_engine_agrees_with_a_naive_interpreter() {
    let first = std::env::var("LOGBOOM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let pairs = if std::env::var_os("LOGBOOM_LONG").is_some() { 10_000 } else { 200 };
    // Each seed makes a set of events with three queries.
    for seed in first..first + pairs / 2 {
        check(seed);
    }
}
