//! Owns the tests of choosing rows: none that matches is left out, and what columns decide is decided.

use store::faulty::FaultyDisk;
use store::{Batch, GroupId, MemoryKeys, MemoryManifest, Options, ScanRequest, Selection, Store, StreamId};

use super::*;

/// Messages of many make-ups, some of them no JSON, over and over with other ids.
fn messages() -> Vec<String> {
    let mut messages = Vec::new();
    for round in 0..300_u64 {
        let id = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let status = [200, 200, 503, 404, 500][(round % 5) as usize];
        let level = ["info", "warn", "error"][(round % 3) as usize];
        messages.push(format!(
            r#"{{"level":"{level}","status":{status},"id":"{id:016x}","took":{round}.5,"http":{{"status":{}}}}}"#,
            round % 4
        ));
        messages.push(format!(
            r#"{{ "status" : "{status}", "level" : null, "list":[503,{round}], "ok":{} }}"#,
            round % 2 == 0
        ));
        messages.push(match round % 6 {
            0 => format!("503 is the status of {id:x}"),
            1 => format!(r#"{{"st\u0061tus":503,"round":{round}}}"#),
            2 => format!(r#"{{"status":{{"status":503}},"round":{round}}}"#),
            3 => format!(r#"{{"round":{round},"note":"{level}\n","status":5.03e2}}"#),
            4 => format!(r#"[{{"status":503}},{round}]"#),
            _ => format!(r#"{{"status":1,"status":503,"round":{round}}}"#),
        });
    }
    messages
}

const PATTERNS: [&str; 14] = [
    "{ $.status = 503 }",
    r#"{ $.status = "503" }"#,
    "{ $.status != 503 }",
    "{ $.status >= 500 && $.level = error }",
    "{ $.status = 404 || $.http.status = 3 }",
    "{ $.level = %arn% }",
    "{ $.level IS NULL }",
    "{ $.missing NOT EXISTS }",
    "{ $.status NOT EXISTS }",
    "{ $.ok IS TRUE }",
    "{ $.took > 100 }",
    "{ $.list[0] = 503 }",
    "{ $.* = 503 }",
    "{ $.status.status = 503 }",
];

#[test]
fn no_row_that_matches_is_left_out() {
    let manifest = Arc::new(MemoryManifest::default());
    let store =
        Store::open(Options::default(), Arc::new(FaultyDisk::new(1)), manifest, Arc::new(MemoryKeys::new(7)));
    let store = store.expect("a new store opens");
    let events = messages().into_iter().enumerate().map(|(at, message)| (at as i64, message));
    let events = events.collect::<Vec<_>>().into();
    let batch = Batch { group: GroupId(1), stream: StreamId(1), ingestion_ms: 1, hop: 0, events };
    store.append_wait(batch).expect("it is taken");
    let all = Selection { groups: vec![GroupId(1)], streams: None };
    for sealed in [false, true] {
        if sealed {
            store.seal_now().expect("it is sealed");
        }
        for text in PATTERNS {
            let pattern = Pattern::parse(text, pattern::Options::default()).expect("a pattern");
            let matches = |message: &str| pattern.matches(&Document::new(message), &mut NoGuests);
            let expected: Vec<String> = messages().into_iter().filter(|message| matches(message)).collect();
            let choose = choice(&pattern);
            let by_place = text.contains("[0]") || text.contains('*');
            assert_eq!(choose.is_none(), by_place, "{text}");
            let Some(choose) = choose else { continue };
            let mut given = Vec::new();
            for run in store.scan(&ScanRequest::all(all.clone())).choosing(choose) {
                let run = run.expect("it can be read");
                given.extend(run.events().map(|event| String::from_utf8_lossy(event.message).into_owned()));
            }
            let found: Vec<String> = given.iter().filter(|message| matches(message)).cloned().collect();
            assert!(found == expected, "{text}: {} of {} found", found.len(), expected.len());
            if sealed && !text.contains("took") {
                let wrong = given.iter().find(|given| !matches(given) && !given.contains('\\'));
                assert!(wrong.is_none_or(|given| given.starts_with('[')), "{text}: {wrong:?} is no match");
            }
            assert!(sealed || given.len() == 900, "what is in memory has no columns");
        }
    }
}
