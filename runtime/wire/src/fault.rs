//! The one error type of the AWS surface: a code, a text, and who is at fault. Knows AWS's code names;
//! refuses to know how a protocol writes them down (`encode`).

use std::fmt;

use serde_json::{Map, Value};

use crate::model::Service;

/// An AWS error. The code may be the model's shape name (`InvalidParameterValueException`) or its query
/// code (`InvalidParameterValue`): each protocol writes the form its clients expect.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault(Box<Detail>);

#[derive(Debug, Clone, PartialEq)]
struct Detail {
    code: String,
    message: String,
    status: Option<u16>,
    receiver_fault: bool,
    fields: Map<String, Value>,
}

impl Fault {
    /// A sender's error. The HTTP status is the model's for that code (400 where it has none).
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault(Box::new(Detail {
            code: code.into(),
            message: message.into(),
            status: None,
            receiver_fault: false,
            fields: Map::new(),
        }))
    }

    /// The server's own failure (500): the text must not disclose anything internal.
    pub fn internal(message: impl Into<String>) -> Fault {
        let mut fault = Fault::new("InternalFailure", message).status(500);
        fault.0.receiver_fault = true;
        fault
    }

    /// The refusal of an operation that AWS has and Logboom does not.
    pub fn not_served(service: Service, operation: &str) -> Fault {
        let message = format!("Operation {operation} is not served by Logboom.");
        Fault::new(unknown_operation_code(service), message)
    }

    /// AWS's answer for an operation that its model does not have either.
    pub fn unknown_operation(service: Service, operation: &str) -> Fault {
        let message = match service {
            Service::Sns | Service::Sts | Service::CloudWatch => {
                format!("Could not find operation {operation} for version {}", service.model().version)
            }
            Service::Logs | Service::Lambda | Service::Scheduler => format!("Unknown operation {operation}"),
        };
        let fault = Fault::new(unknown_operation_code(service), message);
        if service.is_rest() { fault.status(404) } else { fault }
    }

    /// The service's "not authorized" error.
    pub fn access_denied(service: Service, message: impl Into<String>) -> Fault {
        match service {
            Service::Logs => Fault::new("AccessDeniedException", message).status(400),
            Service::Lambda | Service::Scheduler => Fault::new("AccessDeniedException", message).status(403),
            Service::CloudWatch | Service::Sts => Fault::new("AccessDenied", message).status(403),
            Service::Sns => Fault::new("AuthorizationError", message).status(403),
        }
    }

    /// Sets the HTTP status; without it the model decides.
    #[must_use]
    pub fn status(mut self, status: u16) -> Fault {
        self.0.status = Some(status);
        self
    }

    /// Marks the server as the one at fault.
    #[must_use]
    pub fn receiver(mut self) -> Fault {
        self.0.receiver_fault = true;
        self
    }

    /// Adds a member of the error's shape, such as `queryCompileError`.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Fault {
        self.0.fields.insert(name.into(), value.into());
        self
    }

    /// The code as given.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status, if it was set.
    pub fn explicit_status(&self) -> Option<u16> {
        self.0.status
    }

    /// Whether the server is at fault.
    pub fn is_receiver_fault(&self) -> bool {
        self.0.receiver_fault
    }

    /// Further members.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0.fields
    }
}

fn unknown_operation_code(service: Service) -> &'static str {
    match service {
        Service::Sns | Service::Sts => "InvalidAction",
        // CloudWatch speaks three protocols: the query one turns this into InvalidAction.
        Service::Logs | Service::CloudWatch | Service::Lambda | Service::Scheduler => {
            "UnknownOperationException"
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl std::error::Error for Fault {}
