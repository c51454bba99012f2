//! Every operation of the AWS models is served, or refused with an error that names it (invariant 8).
//!
//! The lists of operations are the generated ones; a served operation is told by any answer but the refusal.

use acceptance::{Answer, Server, repository};

/// The names in the generated list `OPERATIONS` of a service.
fn model(service: &str) -> Vec<String> {
    let path = repository().join(format!("runtime/wire/src/shape/{service}.rs"));
    let text = std::fs::read_to_string(&path).expect("the generated shapes");
    let (_, rest) = text.split_once("pub static OPERATIONS: &[&str] =").expect("the list of operations");
    let (list, _) = rest.split_once("];").expect("the list ends");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Method, path (with something for each label) and name of every operation of a service that is told by its path.
fn routes(service: &str) -> Vec<(String, String, String)> {
    let path = repository().join(format!("runtime/wire/src/shape/{service}.rs"));
    let text = std::fs::read_to_string(&path).expect("the generated shapes");
    let (_, rest) = text.split_once("static ROUTES: &[(&str, &str, &str)] =").expect("the routes");
    let parts: Vec<&str> = rest.split('"').skip(1).step_by(2).collect();
    let filled = |path: &str| {
        let path: Vec<String> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() })
            .collect();
        path.join("/")
    };
    parts.chunks_exact(3).map(|row| (row[0].to_owned(), filled(row[1]), row[2].to_owned())).collect()
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
fn walk(service: &str, least: usize, ask: impl Fn(&str) -> Answer) -> usize {
    let operations = model(service);
    assert!(
        operations.len() >= least,
        "{service} has {} operations: the list was not found",
        operations.len()
    );
    let mut count = 0;
    for operation in &operations {
        let answer = ask(operation);
        assert!(answer.headers.to_ascii_lowercase().contains("x-amzn-requestid"), "{operation}: {answer:?}");
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
    let logs = walk("logs", 113, |o| json("logs", "1.1", "Logs_20140328", o));
    let cloudwatch =
        walk("cloudwatch", 46, |o| json("monitoring", "1.0", "GraniteServiceVersion20100801", o));
    let sns = walk("sns", 42, |o| form("sns", "2010-03-31", o));
    let sts = walk("sts", 8, |o| form("sts", "2011-06-15", o));
    let rest = |service: &'static str, least| {
        let routes = routes(service);
        walk(service, least, |o| {
            let (method, path, _) = routes.iter().find(|(_, _, name)| name == o).expect("a route");
            server.ask(method, service, path, &[("content-type", "application/json")], "{}")
        })
    };
    assert_eq!(rest("lambda", 85), 32, "served operations of lambda");
    assert_eq!(rest("scheduler", 12), 5, "served operations of scheduler");
    println!("served: logs {logs}, cloudwatch {cloudwatch}, sns {sns}, sts {sts}");
    assert_eq!((logs, cloudwatch, sns, sts), (34, 15, 17, 1), "served operations per service");
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
