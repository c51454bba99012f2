//! A guest that does what the setting `behaviour` says, mostly things a guest should not do.
#![allow(clippy::disallowed_methods, reason = "a guest has only the clock the host shows it")]

use logboom_sdk::prelude::*;
use logboom_sdk::{
    Extracted, NewEvent, PackedBatch, PackedFilter, QueryFunctions, Scalar, ScalarType, Signature,
};

struct Hostile;

fn behaviour() -> String {
    config::get_or("behaviour", "good")
}

/// Behaviours every world shares.
fn common(behaviour: &str) {
    match behaviour {
        "loop" => loop {
            std::hint::black_box(0);
        },
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(60)),
        "memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 1 << 20]);
                std::hint::black_box(&hoard);
            }
        }
        "stack" => {
            std::hint::black_box(deep(1));
        }
        "flood" => {
            for i in 0..100_000 {
                println!("line {i} of a flood that does not end");
            }
        }
        "host-loop" => loop {
            std::hint::black_box(logboom_sdk::invocation::remaining_ms());
        },
        "gigabyte" => {
            let chunk = vec![b'x'; 64 << 10];
            for _ in 0..(1 << 30) / chunk.len() {
                let _full = std::io::Write::write_all(&mut std::io::stdout(), &chunk);
            }
        }
        "fork-bomb" => {
            let event = |n: u64| NewEvent { timestamp: 1, message: format!("event {n}") };
            for n in 0.. {
                if let Err(error) = log_sink::put("/out", "s", &[event(n)]) {
                    println!("after {n}: {error:?}");
                    break;
                }
            }
        }
        "panic" => panic!("no such user: {}", 7),
        "exit" => std::process::exit(3),
        _ => {}
    }
}

fn deep(n: u64) -> u64 {
    let room = std::hint::black_box([n; 16]);
    if n == 0 { 0 } else { deep(n + 1) + room[3] }
}

impl Subscription for Hostile {
    fn handle(context: &Context, events: Vec<LogEvent>) -> Outcome {
        let behaviour = behaviour();
        common(&behaviour);
        match behaviour.as_str() {
            "chatty" => {
                for event in &events {
                    (0..1000).for_each(|n| println!("line {n} about {}", event.message));
                }
            }
            "poison" => assert!(!events.iter().any(|e| e.message.contains("poison")), "poisoned"),
            "some" => return failed(vec![2, 0, 2]),
            "wrong-index" => return failed(vec![events.len() as u32]),
            "shout" => info!("{}", "x".repeat(20 << 20)),
            "retry" => {
                let after_ms = config::get_or("after_ms", "1500").parse().unwrap_or(1500);
                return Err(logboom_sdk::retry_after("later", after_ms));
            }
            "permanent" => return Err(permanent("never")),
            "effects" => effects()?,
            "effects-then-fail" => {
                effects()?;
                return Err(retry("after all"));
            }
            "denied" => {
                for topic in ["other", "missing"] {
                    println!("{:?}", notify::publish(topic, "x"));
                }
                println!("{:?}", metrics::put(&[MetricDatum::new("Other", "M", 1.0)]));
                println!("{:?}", metrics::put(&[MetricDatum::new("App/X", "M", f64::NAN)]));
                for group in ["/other", "/aws/lambda/hostile", "/source", "/missing"] {
                    let event = NewEvent { timestamp: 1, message: "x".to_owned() };
                    println!("{:?}", log_sink::put(group, "s", &[event]));
                }
                println!("{:?}", state::get("k"));
                println!("{:?}", logboom_sdk::secrets::placeholder("s"));
            }
            "network" => {
                println!("{:?}", std::net::TcpStream::connect("127.0.0.1:1").map_err(|e| e.kind()));
                println!("{:?}", std::fs::read_dir("/").map_err(|e| e.kind()).map(Iterator::count));
                println!("{:?}", std::fs::read("/etc/passwd").map_err(|e| e.kind()));
            }
            "route" => route(&events)?,
            "facts" => {
                let mut names: Vec<String> = std::env::vars().map(|(k, v)| format!("{k}={v}")).collect();
                names.sort();
                println!("{}", names.join(" "));
                println!(
                    "{} {}",
                    logboom_sdk::invocation::function_name(),
                    logboom_sdk::invocation::request_id()
                );
                assert!(logboom_sdk::invocation::remaining_ms() <= 3000);
                println!("{} {} {}", context.log_group, context.delivery_id, events.len());
                info!("{}", events[0].message);
                eprintln!("to stderr");
            }
            _ => {}
        }
        done()
    }
}

fn effects() -> Result<(), HandlerError> {
    println!(
        "id {}",
        notify::send("ops", &Notification::new("text").subject("subject").attribute("k", "v"))?
    );
    metrics::put(&[MetricDatum::new("App/X", "M", 1.5).unit(Unit::CountPerSecond).dimension("d", "v")])?;
    log_sink::put("/out", "s", &[NewEvent { timestamp: 5, message: "written".to_owned() }])?;
    let before = state::get_text("seen")?;
    println!("seen {before:?}, now {}", state::increment("seen", 2)?);
    println!("again {}", state::increment("seen", 2)?);
    println!("conflict {:?}", state::put_if("seen", b"x", Some(99), None));
    state::put("gone", b"x")?;
    state::delete("gone")?;
    println!("keys {:?}", state::list_keys("", None, 10)?);
    Ok(())
}

/// Writes the events with the word of the setting `word` to `/out`, into the stream of the setting `number`, and counts
/// all of them in state and in a metric.
fn route(events: &[LogEvent]) -> Result<(), HandlerError> {
    let (word, number) = (config::get_or("word", ""), config::get_or("number", "0"));
    let taken = events.iter().filter(|event| event.message.contains(&word));
    let taken: Vec<NewEvent> =
        taken.map(|event| NewEvent { timestamp: event.timestamp, message: event.message.clone() }).collect();
    if !taken.is_empty() {
        log_sink::put("/out", &number, &taken)?;
    }
    state::increment("seen", events.len() as i64)?;
    metrics::put(&[MetricDatum::new("App/X", "Routed", events.len() as f64)])?;
    Ok(())
}

impl Filter for Hostile {
    fn verdict(_: &Context, event: &Event<'_>) -> Verdict {
        match event.message {
            "drop" => Verdict::Drop,
            "replace" => Verdict::Replace(event.message.to_uppercase()),
            _ => Verdict::Keep,
        }
    }

    fn apply(context: &Context, events: &[Event<'_>]) -> Result<Vec<Verdict>, String> {
        let behaviour = behaviour();
        common(&behaviour);
        match behaviour.as_str() {
            "short" => Ok(Vec::new()),
            "unsure" => Err("cannot decide".to_owned()),
            "sides" => Ok(vec![Verdict::Replace("as records".to_owned()); events.len()]),
            "without" => {
                let word = config::get_or("word", "");
                let verdict = |event: &Event<'_>| {
                    if event.message.contains(&word) { Verdict::Drop } else { Verdict::Keep }
                };
                Ok(events.iter().map(verdict).collect())
            }
            "huge" => Ok(events.iter().map(|_| Verdict::Replace("x".repeat(4 << 20))).collect()),
            "impure" => {
                println!("{:?}", notify::publish("ops", "x"));
                println!("{:?}", state::get("k"));
                Ok(vec![Verdict::Replace(now_and_chance()); events.len()])
            }
            "clock" => Err(now_and_chance()),
            _ => Ok(events.iter().map(|event| Self::verdict(context, event)).collect()),
        }
    }
}

impl PackedFilter for Hostile {
    fn keep(message: &[u8]) -> bool {
        message != b"drop"
    }

    /// Behaves as the filter does, but for two ways to break the contract: `seven` and `sides`.
    fn apply(context: &Context, batch: &PackedBatch) -> Result<Vec<u8>, String> {
        match behaviour().as_str() {
            "seven" => return Ok(vec![7; batch.ends.len()]),
            "sides" => return Ok(vec![0; batch.ends.len()]),
            "good" => return Ok(messages(batch).map(|message| u8::from(Self::keep(message))).collect()),
            _ => {}
        }
        let texts: Vec<_> = messages(batch).map(String::from_utf8_lossy).collect();
        let times = batch.timestamps.iter().zip(&batch.ingestion_times);
        let event = |((timestamp, ingestion_time), message): ((&i64, &i64), _)| Event {
            timestamp: *timestamp,
            ingestion_time: *ingestion_time,
            message,
        };
        let events: Vec<Event<'_>> = times.zip(texts.iter().map(|text| &**text)).map(event).collect();
        let verdicts = <Self as Filter>::apply(context, &events)?;
        Ok(verdicts.iter().map(|verdict| u8::from(*verdict != Verdict::Drop)).collect())
    }
}

/// Milliseconds since the Unix epoch, and a random number.
fn now_and_chance() -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let random = std::collections::hash_map::RandomState::new();
    format!("{now} {}", std::hash::BuildHasher::hash_one(&random, 1))
}

fn messages(batch: &PackedBatch) -> impl Iterator<Item = &[u8]> {
    let ends = batch.ends.iter().map(|end| *end as usize);
    std::iter::once(0).chain(ends.clone()).zip(ends).map(|(start, end)| &batch.text[start..end])
}

impl Extractor for Hostile {
    fn extract(_: &Context, event: &Event<'_>, found: &mut Vec<MetricDatum>) -> Result<(), String> {
        let value = event.message.parse::<f64>().map_err(|_| format!("{} is not a number", event.message))?;
        found.push(MetricDatum::new("App", "Value", value).unit(Unit::Milliseconds));
        Ok(())
    }
}

impl AlarmAction for Hostile {
    fn handle(event: &AlarmEvent) -> Result<(), HandlerError> {
        common(&behaviour());
        println!("{} {:?} -> {:?}: {}", event.alarm_name, event.previous, event.current, event.reason);
        Ok(())
    }
}

impl Scheduled for Hostile {
    fn handle(tick: &Tick) -> Result<(), HandlerError> {
        println!("{} {} {}", tick.schedule, tick.due_at, tick.input_json);
        Ok(())
    }
}

impl Lambda for Hostile {
    fn invoke(payload: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        let behaviour = behaviour();
        common(&behaviour);
        match behaviour.as_str() {
            "huge" => Ok(vec![b'x'; 7 << 20]),
            "error" => Err("it failed".into()),
            "bad-input" => Err(InvokeError::BadInput("not JSON".to_owned())),
            _ => Ok(payload),
        }
    }
}

impl QueryFunctions for Hostile {
    fn describe() -> Vec<Signature> {
        let (name, help) = ("shout".to_owned(), "upper case".to_owned());
        vec![Signature {
            name,
            parameters: vec![ScalarType::Text],
            variadic: false,
            returns: ScalarType::Text,
            help,
        }]
    }

    fn evaluate(name: &str, columns: &[Vec<Scalar>], _: usize) -> Result<Vec<Scalar>, String> {
        match (name, columns) {
            ("shout", [column]) => Ok(column
                .iter()
                .map(|v| if let Scalar::Text(t) = v { Scalar::Text(t.to_uppercase()) } else { Scalar::Null })
                .collect()),
            ("nothing", _) => Ok(Vec::new()),
            _ => Err(format!("no function {name}")),
        }
    }
}

/// The type an extractor answers with is public, for extractors that need the whole batch.
const _: fn(&Extracted) -> u32 = |e| e.event;

logboom_sdk::export!(
    Hostile: subscription, filter, packed_filter, extractor, alarm_action, scheduled, lambda, query_functions
);
