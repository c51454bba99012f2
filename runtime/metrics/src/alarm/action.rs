//! Owns which ARNs an alarm may act on. Refuses to act.

use crate::fault::Fault;
use serde::{Deserialize, Serialize};

/// An action of an alarm, by what its ARN names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Publish to this topic.
    Topic(String),
    /// Invoke this function.
    Function(String),
}

impl Action {
    /// Reads an ARN. Services other than sns and lambda are refused by name: an alarm whose action cannot run
    /// would be silent when it matters.
    pub fn parse(arn: &str) -> Result<Action, Fault> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, _, _, resource] = parts[..] else {
            return Err(Fault::validation(format!("Invalid arn syntax: {arn}")));
        };
        if partition.is_empty() || service.is_empty() || resource.is_empty() {
            return Err(Fault::validation(format!("Invalid arn syntax: {arn}")));
        }
        match service {
            "sns" => Ok(Action::Topic(arn.to_owned())),
            "lambda" if resource.starts_with("function:") => Ok(Action::Function(arn.to_owned())),
            other => Err(Fault::unsupported(format_args!("alarm actions of the service {other} ({arn})"))),
        }
    }

    /// The ARN.
    pub fn arn(&self) -> &str {
        match self {
            Action::Topic(arn) | Action::Function(arn) => arn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let topic = "arn:aws:sns:us-east-1:000000000000:alerts";
        assert_eq!(Action::parse(topic), Ok(Action::Topic(topic.into())));
        let function = "arn:aws:lambda:us-east-1:000000000000:function:act:live";
        assert_eq!(Action::parse(function).unwrap().arn(), function);
        for bad in ["", "topic", "arn:aws:sns:us-east-1:1", "arn:aws:sns:us-east-1:1:", "arn::sns:r:a:t"] {
            assert_eq!(Action::parse(bad).unwrap_err().message, format!("Invalid arn syntax: {bad}"));
        }
        let fault = Action::parse("arn:aws:automate:us-east-1:ec2:stop").unwrap_err();
        assert!(fault.message.contains("automate"));
        assert!(Action::parse("arn:aws:lambda:us-east-1:1:layer:x").is_err());
    }
}
