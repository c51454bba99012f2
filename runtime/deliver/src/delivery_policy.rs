//! Owns the `DeliveryPolicy` attributes of topics and subscriptions: reading, checking, and which of the
//! two is in force. Refuses to know how a delivery is made.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::retry::RetryPolicy;

/// The content type AWS sends unless told otherwise.
pub const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";

/// What is in force for one HTTP subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// When to try again.
    pub retry: RetryPolicy,
    /// Most deliveries per second, if bounded.
    pub max_per_second: Option<u32>,
    /// `Content-Type` of the request.
    pub content_type: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct TopicPolicy {
    http: TopicHttp,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct TopicHttp {
    default_healthy_retry_policy: Option<RetryPolicy>,
    default_sickly_retry_policy: Option<RetryPolicy>,
    default_throttle_policy: Option<Throttle>,
    default_request_policy: Option<Request>,
    disable_subscription_overrides: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct SubscriptionPolicy {
    healthy_retry_policy: Option<RetryPolicy>,
    sickly_retry_policy: Option<RetryPolicy>,
    throttle_policy: Option<Throttle>,
    request_policy: Option<Request>,
    guaranteed: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Throttle {
    max_receives_per_second: Option<u32>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Request {
    header_content_type: Option<String>,
}

/// Media types AWS allows in `headerContentType`.
const CONTENT_TYPES: [&str; 18] = [
    "application/atom+xml",
    "application/json",
    "application/octet-stream",
    "application/soap+xml",
    "application/x-www-form-urlencoded",
    "application/xhtml+xml",
    "application/xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/plain",
    "text/xml",
    "application/ld+json",
    "application/x-ndjson",
    "application/problem+json",
    "application/cloudevents+json",
    "text/markdown",
    "text/yaml",
];

/// Checks a topic's policy; the error names what is wrong.
pub fn check_topic(text: &str) -> Result<(), String> {
    let TopicPolicy { http } = read(text)?;
    let retry = http.default_healthy_retry_policy;
    check_parts(
        retry,
        http.default_sickly_retry_policy.is_some(),
        http.default_throttle_policy,
        http.default_request_policy,
    )
}

/// Checks a subscription's policy; the error names what is wrong.
pub fn check_subscription(text: &str) -> Result<(), String> {
    let policy: SubscriptionPolicy = read(text)?;
    if policy.guaranteed {
        return Err("guaranteed is not supported by Logboom".to_owned());
    }
    check_parts(
        policy.healthy_retry_policy,
        policy.sickly_retry_policy.is_some(),
        policy.throttle_policy,
        policy.request_policy,
    )
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

fn check_parts(
    retry: Option<RetryPolicy>,
    sickly: bool,
    throttle: Option<Throttle>,
    request: Option<Request>,
) -> Result<(), String> {
    if sickly {
        return Err("sicklyRetryPolicy is not supported by Logboom".to_owned());
    }
    retry.unwrap_or_default().check()?;
    if throttle.and_then(|t| t.max_receives_per_second) == Some(0) {
        return Err("maxReceivesPerSecond must be at least 1".to_owned());
    }
    let Some(content_type) = request.and_then(|r| r.header_content_type) else { return Ok(()) };
    let (media, rest) = match content_type.split_once(';') {
        Some((media, rest)) => (media, rest),
        None => (content_type.as_str(), ""),
    };
    let media = media.trim().to_ascii_lowercase();
    if !CONTENT_TYPES.contains(&media.as_str()) {
        return Err(format!("headerContentType {media} is not one of the supported media types"));
    }
    if !rest.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err("headerContentType must be printable ASCII".to_owned());
    }
    Ok(())
}

/// Combines the two policies; texts that do not parse count as absent (they were checked when set).
pub fn effective(topic: Option<&str>, subscription: Option<&str>) -> Effective {
    let http = topic.and_then(|t| read::<TopicPolicy>(t).ok()).unwrap_or_default().http;
    let own = match subscription {
        Some(text) if !http.disable_subscription_overrides => {
            read::<SubscriptionPolicy>(text).unwrap_or_default()
        }
        _ => SubscriptionPolicy::default(),
    };
    let throttle = own.throttle_policy.or(http.default_throttle_policy);
    let request = own.request_policy.or(http.default_request_policy);
    Effective {
        retry: own.healthy_retry_policy.or(http.default_healthy_retry_policy).unwrap_or_default(),
        max_per_second: throttle.and_then(|t| t.max_receives_per_second),
        content_type: request.and_then(|r| r.header_content_type).unwrap_or_else(|| CONTENT_TYPE.to_owned()),
    }
}

/// `EffectiveDeliveryPolicy` of a topic.
pub fn describe_topic(topic: Option<&str>) -> String {
    let http = topic.and_then(|t| read::<TopicPolicy>(t).ok()).unwrap_or_default().http;
    let mut shown = json!({
        "defaultHealthyRetryPolicy": http.default_healthy_retry_policy.unwrap_or_default(),
        "disableSubscriptionOverrides": http.disable_subscription_overrides,
        "defaultRequestPolicy": {
            "headerContentType": http.default_request_policy.and_then(|r| r.header_content_type)
                .unwrap_or_else(|| CONTENT_TYPE.to_owned()),
        },
    });
    if let Some(throttle) = http.default_throttle_policy {
        shown["defaultThrottlePolicy"] = json!(throttle);
    }
    json!({ "http": shown }).to_string()
}

/// `EffectiveDeliveryPolicy` of an HTTP subscription.
pub fn describe_subscription(effective: &Effective) -> String {
    let throttle = effective.max_per_second.map_or(Value::Null, |n| json!({ "maxReceivesPerSecond": n }));
    json!({
        "healthyRetryPolicy": effective.retry,
        "sicklyRetryPolicy": null,
        "throttlePolicy": throttle,
        "requestPolicy": { "headerContentType": effective.content_type },
        "guaranteed": false,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_nearer_policy_wins_unless_overrides_are_off() {
        let topic = r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":5},"defaultThrottlePolicy":{"maxReceivesPerSecond":7}}}"#;
        let own = r#"{"healthyRetryPolicy":{"numRetries":9},"requestPolicy":{"headerContentType":"application/json"}}"#;
        assert_eq!(check_topic(topic), Ok(()));
        assert_eq!(check_subscription(own), Ok(()));
        let both = effective(Some(topic), Some(own));
        assert_eq!((both.retry.num_retries, both.max_per_second), (9, Some(7)));
        assert_eq!(both.content_type, "application/json");
        let fixed = topic.replace("}}}", "},\"disableSubscriptionOverrides\":true}}");
        assert_eq!(effective(Some(&fixed), Some(own)).retry.num_retries, 5);
        assert_eq!(effective(None, None).retry, RetryPolicy::default());
        assert!(describe_topic(None).contains(r#""numRetries":3"#));
        assert!(describe_subscription(&both).contains(r#""maxReceivesPerSecond":7"#));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("x", "expected"),
            (r#"{"healthyRetryPolicy":{"numRetries":101}}"#, "numRetries"),
            (r#"{"healthyRetryPolicy":{"numTries":1}}"#, "numTries"),
            (r#"{"sicklyRetryPolicy":{}}"#, "sicklyRetryPolicy"),
            (r#"{"guaranteed":true}"#, "guaranteed"),
            (r#"{"throttlePolicy":{"maxReceivesPerSecond":0}}"#, "maxReceivesPerSecond"),
            (r#"{"requestPolicy":{"headerContentType":"image/png"}}"#, "image/png"),
            ("{\"requestPolicy\":{\"headerContentType\":\"text/plain;\\r\\nX: y\"}}", "printable"),
        ] {
            let error = check_subscription(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    proptest! {
        #![proptest_config(crate::tests::rounds(128))]
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = check_topic(&text);
            let _ = check_subscription(&text);
            effective(Some(&text), Some(&text));
        }
    }
}
