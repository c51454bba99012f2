//! The decision: explicit deny over allow, allow over the default deny; and AWS's sentence for a refusal.
//! What an operation needs (actions, resource ARNs) is told by the caller.

use std::fmt;

use serde_json::Value;

use crate::condition::Context;
use crate::keys::Identity;

/// The outcome for one action on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Allowed by a policy, or the identity is an administrator.
    Allow,
    /// A statement denies.
    ExplicitDeny,
    /// No statement allows.
    ImplicitDeny,
}

/// Decides whether `identity` may perform `action` (`logs:PutLogEvents`) on the resource with this ARN
/// (`*` for actions without one). A key without policies is an administrator.
pub fn decide(identity: &Identity, action: &str, resource: &str, context: &Context) -> Decision {
    if identity.policies.is_empty() {
        return Decision::Allow;
    }
    let mut decision = Decision::ImplicitDeny;
    for policy in &identity.policies {
        match policy.verdict(action, resource, context) {
            Some(false) => return Decision::ExplicitDeny,
            Some(true) => decision = Decision::Allow,
            None => {}
        }
    }
    decision
}

/// One permission that a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The IAM action, such as `logs:PutLogEvents`.
    pub action: String,
    /// The resource's ARN, or `*`.
    pub resource: String,
}

/// Where a request's resources live.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Twelve digits.
    pub account: &'a str,
    /// From the credential scope.
    pub region: &'a str,
}

/// What an operation needs for a decoded input; one such function stands in the caller's operation table.
pub type NeedsOf = fn(&Scope<'_>, &Value) -> Vec<Need>;

/// The first need that is not granted; displays as AWS's sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    arn: String,
    need: Need,
    explicit: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Need { action, resource } = &self.need;
        write!(f, "User: {} is not authorized to perform: {action} on resource: {resource} ", self.arn)?;
        if self.explicit {
            f.write_str("with an explicit deny in an identity-based policy")
        } else {
            write!(f, "because no identity-based policy allows the {action} action")
        }
    }
}

impl std::error::Error for Refusal {}

/// Decides every need of a request.
///
/// # Errors
/// The first one that is denied.
pub fn authorize(identity: &Identity, needs: &[Need], context: &Context) -> Result<(), Box<Refusal>> {
    for need in needs {
        let decision = decide(identity, &need.action, &need.resource, context);
        if decision != Decision::Allow {
            let explicit = decision == Decision::ExplicitDeny;
            return Err(Box::new(Refusal { arn: identity.arn.clone(), need: need.clone(), explicit }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::Policy;

    const GROUP: &str = "arn:aws:logs:us-east-1:000000000000:log-group:/app/web:*";

    fn identity(policies: &[Value]) -> Identity {
        let mut identity = Identity::administrator("000000000000", "shipper", "AKIA");
        identity.policies = policies.iter().map(|document| Policy::from_value(document).unwrap()).collect();
        identity
    }

    fn statement(effect: &str, action: &str, resource: &str) -> Value {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource}]})
    }

    #[test]
    fn deny_over_allow_over_default_deny() {
        let none = Context::new();
        let allow = statement("Allow", "logs:*", "*");
        let deny = statement("Deny", "logs:Delete*", "arn:aws:logs:*:*:log-group:/app/*");
        let both = identity(&[allow.clone(), deny]);
        assert_eq!(decide(&both, "logs:PutLogEvents", GROUP, &none), Decision::Allow);
        assert_eq!(decide(&both, "LOGS:deletelogGroup", GROUP, &none), Decision::ExplicitDeny);
        assert_eq!(
            decide(&both, "logs:DeleteLogGroup", "arn:aws:logs:a:b:log-group:x", &none),
            Decision::Allow
        );
        assert_eq!(decide(&both, "sns:Publish", "*", &none), Decision::ImplicitDeny);
        assert_eq!(decide(&identity(&[]), "sns:Publish", "*", &none), Decision::Allow);
        assert_eq!(
            decide(&identity(&[json!({"Statement": []})]), "sns:Publish", "*", &none),
            Decision::ImplicitDeny
        );
    }

    #[test]
    fn negated_lists_and_conditions() {
        let document = json!({"Statement": [{
            "Effect": "Allow", "NotAction": ["logs:Delete*"], "NotResource": "arn:aws:logs:*:*:log-group:/secret*",
            "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
        }]});
        let identity = identity(&[document]);
        let local = Context::new().with("aws:SourceIp", "127.0.0.1");
        let decide =
            |action, resource, context: &Context| super::decide(&identity, action, resource, context);
        assert_eq!(decide("logs:PutLogEvents", GROUP, &local), Decision::Allow);
        assert_eq!(decide("logs:DeleteLogGroup", GROUP, &local), Decision::ImplicitDeny);
        assert_eq!(
            decide("logs:PutLogEvents", "arn:aws:logs:x:y:log-group:/secret", &local),
            Decision::ImplicitDeny
        );
        assert_eq!(decide("logs:PutLogEvents", GROUP, &Context::new()), Decision::ImplicitDeny);
    }

    #[test]
    fn the_sentences_of_a_refusal() {
        let need = |action: &str| Need { action: action.to_owned(), resource: GROUP.to_owned() };
        let reader = identity(&[statement("Allow", "logs:Get*", "*"), statement("Deny", "logs:Put*", "*")]);
        let ask =
            |action: &str| authorize(&reader, &[need("logs:GetLogEvents"), need(action)], &Context::new());
        assert!(ask("logs:GetLogRecord").is_ok());
        assert_eq!(
            ask("logs:StartQuery").unwrap_err().to_string(),
            format!(
                "User: arn:aws:iam::000000000000:user/shipper is not authorized to perform: logs:StartQuery on \
                 resource: {GROUP} because no identity-based policy allows the logs:StartQuery action"
            )
        );
        assert!(
            ask("logs:PutLogEvents")
                .unwrap_err()
                .to_string()
                .ends_with("with an explicit deny in an identity-based policy")
        );
    }
}
