//! Every operation of the AWS models is served, or refused with an error that names it (invariant 8).
//!
//! The lists of operations are the generated ones; a served operation is told by any answer but the refusal.

use acceptance::{Answer, Server, repository};

/// The names in `pub const NAME: &[&str] = &[...]` of the generated lists.
fn model(list: &str) -> Vec<String> {
    let folder = repository().join("runtime/wire/src");
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the wire room").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let Some((_, rest)) = text.split_once(&format!("{list}: &[&str] =")) else { continue };
            let end = rest.find("];").expect("the list ends");
            found.extend(rest[..end].split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

fn served(answer: &Answer, operation: &str) -> bool {
    let refused = answer.body.contains("not served");
    if refused {
        assert!(answer.body.contains(operation), "the refusal of {operation} does not name it: {answer:?}");
        assert!((400..600).contains(&answer.status), "{operation} is refused with {}", answer.status);
    }
    !refused
}

/// Asks for every operation; gives how many there are and how many are served.
fn walk(list: &str, least: usize, ask: impl Fn(&str) -> Answer) -> usize {
    let operations = model(list);
    assert!(operations.len() >= least, "{list} has {} operations: the list was not found", operations.len());
    let mut count = 0;
    for operation in &operations {
        let answer = ask(operation);
        assert!(answer.headers.to_ascii_lowercase().contains("x-amzn-requestid"), "{operation}: {answer:?}");
        assert!(answer.status != 404 || answer.body.contains("not"), "{operation}: {answer:?}");
        count += usize::from(served(&answer, operation));
    }
    count
}

#[test]
fn every_operation_is_served_or_refused_by_name() {
    let server = Server::start(&[]);
    let json = |service: &str, version: &str, prefix: &str, operation: &str| {
        let kind = format!("application/x-amz-json-{version}");
        let target = format!("{prefix}.{operation}");
        server.post(service, "/", &[("content-type", &kind), ("x-amz-target", &target)], "{}")
    };
    let form = |service: &str, version: &str, operation: &str| {
        let body = format!("Action={operation}&Version={version}");
        server.post(service, "/", &[("content-type", "application/x-www-form-urlencoded")], &body)
    };
    let logs = walk("LOGS_OPERATIONS", 113, |o| json("logs", "1.1", "Logs_20140328", o));
    let cloudwatch =
        walk("CLOUDWATCH_OPERATIONS", 46, |o| json("monitoring", "1.0", "GraniteServiceVersion20100801", o));
    let sns = walk("SNS_OPERATIONS", 42, |o| form("sns", "2010-03-31", o));
    let sts = walk("STS_OPERATIONS", 8, |o| form("sts", "2011-06-15", o));
    println!("served: logs {logs}, cloudwatch {cloudwatch}, sns {sns}, sts {sts}");
    assert_eq!((logs, cloudwatch, sns, sts), (31, 15, 17, 1), "served operations per service");
}

#[test]
fn an_unknown_operation_is_told_apart_from_one_that_is_not_served() {
    let server = Server::start(&[]);
    let headers =
        [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Logs_20140328.Nonsense")];
    let answer = server.post("logs", "/", &headers, "{}");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("UnknownOperationException"), "{answer:?}");
}
