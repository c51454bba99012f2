//! The vocabulary of the generated shape tables: what a service's model says about operations, shapes,
//! constraints and errors. Knows no protocol; the tables themselves are under `shape/`.

use std::sync::OnceLock;

use regex::Regex;

use crate::shape;

/// The AWS services that Logboom answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// CloudWatch Logs.
    Logs,
    /// CloudWatch metrics and alarms.
    CloudWatch,
    /// Simple Notification Service.
    Sns,
    /// Lambda.
    Lambda,
    /// Security Token Service.
    Sts,
    /// EventBridge Scheduler.
    Scheduler,
}

impl Service {
    /// Every service, in a fixed order.
    pub const ALL: [Service; 6] =
        [Service::Logs, Service::CloudWatch, Service::Sns, Service::Lambda, Service::Sts, Service::Scheduler];

    /// The name in credential scopes (CloudWatch's is `monitoring`).
    pub fn signing_name(self) -> &'static str {
        match self {
            Service::Logs => "logs",
            Service::CloudWatch => "monitoring",
            Service::Sns => "sns",
            Service::Lambda => "lambda",
            Service::Sts => "sts",
            Service::Scheduler => "scheduler",
        }
    }

    /// The prefix of the service's IAM actions (`cloudwatch`, not `monitoring`).
    pub fn action_prefix(self) -> &'static str {
        match self {
            Service::CloudWatch => "cloudwatch",
            other => other.signing_name(),
        }
    }

    /// The service whose credential scope carries `name`.
    pub fn from_signing_name(name: &str) -> Option<Service> {
        Service::ALL.into_iter().find(|service| service.signing_name() == name)
    }

    /// Names of all operations of the service's model, served or not, sorted.
    pub fn operations(self) -> &'static [&'static str] {
        self.model().operations
    }

    /// Whether types and tables were generated for `operation`.
    pub fn serves(self, operation: &str) -> bool {
        self.model().operation(operation).is_some()
    }

    /// Whether the service speaks rest-json.
    pub(crate) fn is_rest(self) -> bool {
        !self.model().routes.is_empty()
    }

    pub(crate) fn model(self) -> &'static Model {
        match self {
            Service::Logs => &shape::logs::MODEL,
            Service::CloudWatch => &shape::cloudwatch::MODEL,
            Service::Sns => &shape::sns::MODEL,
            Service::Lambda => &shape::lambda::MODEL,
            Service::Sts => &shape::sts::MODEL,
            Service::Scheduler => &shape::scheduler::MODEL,
        }
    }
}

pub use shape::cloudwatch::OPERATIONS as CLOUDWATCH_OPERATIONS;
pub use shape::lambda::OPERATIONS as LAMBDA_OPERATIONS;
pub use shape::logs::OPERATIONS as LOGS_OPERATIONS;
pub use shape::scheduler::OPERATIONS as SCHEDULER_OPERATIONS;
pub use shape::sns::OPERATIONS as SNS_OPERATIONS;
pub use shape::sts::OPERATIONS as STS_OPERATIONS;

/// One service's tables.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) version: &'static str,
    pub(crate) target_prefix: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) operations: &'static [&'static str],
    pub(crate) served: &'static [Operation],
    pub(crate) errors: &'static [ErrorShape],
    /// (method, uri template, operation) of every operation, for rest-json alone.
    pub(crate) routes: &'static [(&'static str, &'static str, &'static str)],
}

impl Model {
    pub(crate) fn operation(&self, name: &str) -> Option<&'static Operation> {
        let at = self.served.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
        Some(&self.served[at])
    }

    /// The error whose shape name is `code`, else the one whose query code it is: CloudWatch has two errors
    /// with the query code ResourceNotFound.
    pub(crate) fn error(&self, code: &str) -> Option<&'static ErrorShape> {
        self.errors
            .iter()
            .find(|error| error.shape == code)
            .or_else(|| self.errors.iter().find(|error| error.code == code))
    }
}

/// A served operation.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) uri: &'static str,
    pub(crate) status: u16,
    pub(crate) input: Option<&'static Shape>,
    pub(crate) output: Option<&'static Shape>,
}

/// An exception of the model: its shape name (json, cbor), its query code, and its HTTP status.
#[derive(Debug)]
pub(crate) struct ErrorShape {
    pub(crate) shape: &'static str,
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) fault: bool,
    /// The member that carries the text: `message` or `Message`.
    pub(crate) message: &'static str,
}

/// A shape with the constraints that requests are checked against.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Length of strings, lists and maps; value of numbers.
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) values: &'static [&'static str],
    pub(crate) pattern: Option<&'static Pattern>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    String,
    Blob,
    Boolean,
    Integer,
    Long,
    Double,
    Timestamp,
    Structure(&'static [Member]),
    List(&'static Shape),
    Map { key: &'static Shape, value: &'static Shape, key_name: &'static str, value_name: &'static str },
}

macro_rules! scalars {
    ($($function:ident $kind:ident),*) => {
        $(pub(crate) const fn $function(name: &'static str) -> Shape {
            Shape::of(name, Kind::$kind)
        })*
    };
}

impl Shape {
    const fn of(name: &'static str, kind: Kind) -> Shape {
        Shape { name, kind, min: None, max: None, values: &[], pattern: None }
    }

    scalars!(string String, blob Blob, boolean Boolean, integer Integer, long Long, double Double,
             timestamp Timestamp);

    pub(crate) const fn structure(name: &'static str, members: &'static [Member]) -> Shape {
        Shape::of(name, Kind::Structure(members))
    }

    pub(crate) const fn list(name: &'static str, element: &'static Shape) -> Shape {
        Shape::of(name, Kind::List(element))
    }

    pub(crate) const fn map(
        name: &'static str,
        key: &'static Shape,
        value: &'static Shape,
        key_name: &'static str,
        value_name: &'static str,
    ) -> Shape {
        Shape::of(name, Kind::Map { key, value, key_name, value_name })
    }

    pub(crate) const fn bounds(mut self, min: Option<i64>, max: Option<i64>) -> Shape {
        self.min = min;
        self.max = max;
        self
    }

    pub(crate) const fn one_of(mut self, values: &'static [&'static str]) -> Shape {
        self.values = values;
        self
    }

    pub(crate) const fn pattern(mut self, pattern: &'static Pattern) -> Shape {
        self.pattern = Some(pattern);
        self
    }

    pub(crate) fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Structure(members) => members,
            _ => &[],
        }
    }
}

/// A member of a structure, and where rest-json carries it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) shape: &'static Shape,
    pub(crate) required: bool,
    pub(crate) place: Place,
    /// The name of the header, query parameter or path label.
    pub(crate) place_name: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Body,
    Uri,
    Query,
    Header,
    Status,
    Payload,
}

impl Member {
    pub(crate) const fn new(name: &'static str, shape: &'static Shape) -> Member {
        Member { name, shape, required: false, place: Place::Body, place_name: name }
    }

    pub(crate) const fn required(mut self) -> Member {
        self.required = true;
        self
    }

    pub(crate) const fn at(mut self, place: Place, place_name: &'static str) -> Member {
        self.place = place;
        self.place_name = place_name;
        self
    }
}

/// A pattern of the model: AWS's spelling for messages, compiled once on first use.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) text: &'static str,
    source: &'static str,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    pub(crate) const fn new(text: &'static str) -> Pattern {
        Pattern::spelled(text, text)
    }

    /// A pattern that the regex crate needs spelled in another way.
    pub(crate) const fn spelled(text: &'static str, source: &'static str) -> Pattern {
        Pattern { text, source, compiled: OnceLock::new() }
    }

    /// Whether the whole of `value` matches.
    pub(crate) fn matches(&self, value: &str) -> bool {
        self.compiled
            .get_or_init(|| {
                // Invariant: a test compiles every generated pattern.
                #[allow(clippy::expect_used)]
                Regex::new(&format!("^(?:{})$", self.source)).expect("generated pattern compiles")
            })
            .is_match(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generated_pattern_compiles_and_served_tables_are_sorted() {
        let mut patterns = 0;
        for service in Service::ALL {
            let model = service.model();
            assert!(model.served.is_sorted_by(|a, b| a.name < b.name), "{service:?}");
            assert!(model.operations.is_sorted(), "{service:?}");
            for operation in model.served {
                assert!(model.operations.contains(&operation.name));
                patterns += operation.input.map_or(0, walk);
            }
        }
        assert!(patterns > 50, "{patterns}");
    }

    fn walk(shape: &Shape) -> usize {
        let own = shape.pattern.map_or(0, |pattern| {
            pattern.matches("x");
            1
        });
        own + match shape.kind {
            Kind::Structure(members) => members.iter().map(|member| walk(member.shape)).sum(),
            Kind::List(element) => walk(element),
            Kind::Map { key, value, .. } => walk(key) + walk(value),
            _ => 0,
        }
    }

    #[test]
    fn patterns_match_whole_values() {
        static NAME: Pattern = Pattern::new("[\\.\\-_/#A-Za-z0-9]+");
        assert!(NAME.matches("/aws/lambda/a-b.c_d#1"));
        assert!(!NAME.matches("a b"));
        assert!(!NAME.matches("a\n"));
        assert!(!NAME.matches(""));
    }
}
