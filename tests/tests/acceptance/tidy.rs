//! The rules of the house that a machine can see (ARCHITECTURE.md, invariants 1 and 12; CONTRIBUTING.md).
//!
//! Reads the source files that git tracks or would track. The ratchet `tidy.ratchet` lists files that are over a limit
//! today, with what they have: none may grow, and one that shrinks under the limit must leave the list.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use acceptance::repository;

const LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const BANNED_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "manager", "misc"];

struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_generated(&self) -> bool {
        self.path.contains("/shape/") || self.path.contains("/generated") || self.path.contains("/bindings")
    }

    /// Whether the whole file is tests: they are data, and data is as long as it is.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The lines before the file's tests.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"))
    }
}

fn sources() -> Vec<Source> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--", "*.rs"])
        .current_dir(repository())
        .output()
        .expect("git lists the files");
    let text = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let read = |path: &str| {
        let full: PathBuf = repository().join(path);
        std::fs::read_to_string(full).ok().map(|text| Source { path: path.to_owned(), text })
    };
    let all: Vec<Source> = text.lines().filter_map(read).collect();
    assert!(all.len() > 50, "only {} source files found: the check would check nothing", all.len());
    all
}

/// `path what number` lines of the ratchet.
fn ratchet() -> BTreeMap<(String, String), usize> {
    let path = repository().join("tests/tests/acceptance/tidy.ratchet");
    let text = std::fs::read_to_string(path).expect("the ratchet file");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut word = || words.next().expect("path, what, number").to_owned();
            let key = (word(), word());
            (key, word().parse().expect("a number"))
        })
        .collect()
}

/// Compares what is over a limit with the ratchet; gives complaints.
fn judge(found: &BTreeMap<(String, String), usize>, kind: &str) -> Vec<String> {
    let allowed: BTreeMap<_, _> =
        ratchet().into_iter().filter(|((_, what), _)| (what == "file") == (kind == "file")).collect();
    let mut complaints = Vec::new();
    for ((path, what), lines) in found {
        match allowed.get(&(path.clone(), what.clone())) {
            Some(limit) if lines <= limit => {}
            Some(limit) => {
                complaints.push(format!("{path} {what}: {lines} lines, the ratchet holds it at {limit}"));
            }
            None => complaints.push(format!("{path} {what}: {lines} lines")),
        }
    }
    for (path, what) in allowed.keys() {
        if !found.contains_key(&(path.clone(), what.clone())) {
            complaints.push(format!("{path} {what} is within the limit now: take it off the ratchet"));
        }
    }
    complaints
}

#[test]
fn files_stay_readable() {
    let mut found = BTreeMap::new();
    for source in sources().iter().filter(|s| !s.is_generated()) {
        let lines = source.code().count();
        if lines > LINES_MAX {
            found.insert((source.path.clone(), "file".to_owned()), lines);
        }
    }
    let complaints = judge(&found, "file");
    assert!(complaints.is_empty(), "over {LINES_MAX} lines before the tests:\n{}", complaints.join("\n"));
}

#[test]
fn functions_stay_readable() {
    let mut found = BTreeMap::new();
    for source in sources().iter().filter(|s| !s.is_generated() && !s.is_test()) {
        for (name, lines) in functions(&source.code().collect::<Vec<_>>()) {
            if lines > FUNCTION_LINES_MAX {
                found.insert((source.path.clone(), name), lines);
            }
        }
    }
    let complaints = judge(&found, "function");
    assert!(complaints.is_empty(), "over {FUNCTION_LINES_MAX} lines:\n{}", complaints.join("\n"));
}

/// Name and length of each function: from the line with `fn` to the line that closes it at the same indentation,
/// which is what rustfmt guarantees.
fn functions(lines: &[&str]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let Some(at) = body.find("fn ") else { continue };
        let prefix = &body[..at];
        let is_function = prefix.split_whitespace().all(|word| {
            matches!(word, "pub" | "async" | "const" | "unsafe" | "extern" | "\"C\"")
                || word.starts_with("pub(")
        });
        if !is_function {
            continue;
        }
        let name: String = body[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let indentation = &line[..line.len() - body.len()];
        let close = format!("{indentation}}}");
        let end = lines[start..].iter().position(|l| *l == close);
        let opens_here =
            lines[start..].iter().take_while(|l| !l.trim_end().ends_with(';')).any(|l| l.contains('{'));
        if let (Some(length), true) = (end, opens_here) {
            found.push((name, length + 1));
        }
    }
    found
}

#[test]
fn every_module_says_what_it_owns() {
    let silent: Vec<String> =
        sources().into_iter().filter(|s| !s.text.starts_with("//!")).map(|s| s.path).collect();
    assert!(silent.is_empty(), "files that do not start with `//!`:\n{}", silent.join("\n"));
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    for source in sources() {
        let stem = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        assert!(!BANNED_NAMES.contains(&stem), "{}", source.path);
        assert!(!source.path.split('/').any(|part| BANNED_NAMES.contains(&part)), "{}", source.path);
    }
}

#[test]
fn nothing_unfinished_is_left() {
    let banned = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore"];
    for source in sources().iter().filter(|s| !s.path.ends_with("acceptance/tidy.rs")) {
        for (number, line) in source.text.lines().enumerate() {
            for word in banned {
                let comment = line.trim_start().starts_with("//");
                assert!(comment || !line.contains(word), "{}:{}: {word}", source.path, number + 1);
            }
        }
    }
}

#[test]
fn only_the_clock_reads_time_and_draws_randomness() {
    let owned = ["SystemTime::now", "Instant::now", "Utc::now", "Local::now", "getrandom::fill"];
    for source in sources() {
        let product = source.path.starts_with("runtime/") && source.path.contains("/src/");
        if !product || source.path.starts_with("runtime/src/clock") {
            continue;
        }
        for line in source.code().filter(|line| !line.trim_start().starts_with("//")) {
            for name in owned {
                assert!(!line.contains(name), "{} names {name}", source.path);
            }
        }
    }
}

#[test]
fn only_the_metadata_of_the_root_names_redb() {
    let all = sources();
    let names = |source: &&Source| source.code().any(|line| line.contains("redb::"));
    let found: Vec<&str> = all.iter().filter(names).map(|source| source.path.as_str()).collect();
    let (inside, outside): (Vec<&str>, Vec<&str>) = found
        .into_iter()
        .filter(|path| !path.ends_with("acceptance/tidy.rs"))
        .partition(|path| path.starts_with("runtime/src/meta/"));
    assert!(!inside.is_empty(), "nothing names redb: the check would check nothing");
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn an_on_disk_format_is_little_endian() {
    for source in sources().iter().filter(|s| s.path.starts_with("runtime/store/src")) {
        for line in source.code() {
            for word in ["to_be_bytes", "from_be_bytes", "to_ne_bytes", "from_ne_bytes"] {
                assert!(!line.contains(word), "{}: {word}", source.path);
            }
        }
    }
}
