//! Owns the ARNs of topics and subscriptions: making them and AWS's complaints about malformed ones.
//! Refuses to know whether the thing named exists.

use crate::refusal::Refusal;

/// A parsed topic or subscription ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnsArn<'a> {
    /// Region, for example `us-east-1`.
    pub region: &'a str,
    /// Twelve digits.
    pub account: &'a str,
    /// Topic name.
    pub topic: &'a str,
    /// The last element of a subscription ARN.
    pub subscription: Option<&'a str>,
}

/// The ARN partition a region belongs to.
pub fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// `arn:aws:sns:REGION:ACCOUNT:NAME`.
pub fn topic(region: &str, account: &str, name: &str) -> String {
    format!("arn:{}:sns:{region}:{account}:{name}", partition(region))
}

/// `TOPIC_ARN:UUID`.
pub fn subscription(topic_arn: &str, uuid: &str) -> String {
    format!("{topic_arn}:{uuid}")
}

/// Parses a topic ARN given as the request's `parameter`.
pub fn parse_topic<'a>(parameter: &str, text: &'a str) -> Result<SnsArn<'a>, Refusal> {
    let arn = parse(parameter, text)?;
    if arn.subscription.is_some() {
        return Err(Refusal::invalid(parameter));
    }
    Ok(arn)
}

/// Parses a subscription ARN given as `SubscriptionArn`.
pub fn parse_subscription(text: &str) -> Result<SnsArn<'_>, Refusal> {
    if text.is_empty() {
        return Err(Refusal::invalid("SubscriptionArn Reason: no value for required parameter"));
    }
    let arn = parse("SubscriptionArn", text)?;
    match arn.subscription {
        Some(id) if is_uuid(id) => Ok(arn),
        Some(_) | None => Err(Refusal::invalid("SubscriptionId")),
    }
}

fn parse<'a>(parameter: &str, text: &'a str) -> Result<SnsArn<'a>, Refusal> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() < 6 {
        return Err(Refusal::invalid(format_args!(
            "{parameter} Reason: An ARN must have at least 6 elements, not {}",
            parts.len()
        )));
    }
    let known = parts[0] == "arn" && parts[1].starts_with("aws") && parts[2] == "sns";
    if !known || parts.len() > 7 || parts[5].is_empty() {
        return Err(Refusal::invalid(parameter));
    }
    Ok(SnsArn { region: parts[3], account: parts[4], topic: parts[5], subscription: parts.get(6).copied() })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_arns_get_the_recorded_texts() {
        for (text, want) in [
            ("x", "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"),
            ("", "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"),
            ("a:b", "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 2"),
            (
                "arn:aws:sns:us-east-1:1",
                "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 5",
            ),
            ("arn:aws:sqs:us-east-1:111111111111:q", "Invalid parameter: TopicArn"),
        ] {
            assert_eq!(parse_topic("TopicArn", text).unwrap_err().message, want, "{text}");
        }
        for (text, want) in [
            ("", "Invalid parameter: SubscriptionArn Reason: no value for required parameter"),
            ("x", "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
            ("arn:aws:sns:us-east-1:111111111111:t:nope", "Invalid parameter: SubscriptionId"),
        ] {
            assert_eq!(parse_subscription(text).unwrap_err().message, want, "{text}");
        }
    }

    #[test]
    fn arns_round_trip() {
        let topic_arn = topic("cn-north-1", "111111111111", "t.x");
        assert_eq!(topic_arn, "arn:aws-cn:sns:cn-north-1:111111111111:t.x");
        let uuid = "01234567-89ab-cdef-0123-456789abcdef";
        let sub = subscription(&topic_arn, uuid);
        let parsed = parse_subscription(&sub).unwrap();
        assert_eq!(
            parsed,
            SnsArn { region: "cn-north-1", account: "111111111111", topic: "t.x", subscription: Some(uuid) }
        );
        assert!(parse_topic("TopicArn", &sub).is_err());
    }
}
