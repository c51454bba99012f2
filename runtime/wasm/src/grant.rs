//! What a function may touch. Denied unless named: in tags (`logboom:allow-publish=ops`) or in the
//! `[allow]` table of `function.toml`. Refuses to know whether the thing named exists.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::target::Target;

/// Capabilities of one function. Patterns may hold `*` (any run of characters).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Topics it may publish to, by name.
    pub publish: Vec<String>,
    /// Metric namespaces it may write.
    pub metrics: Vec<String>,
    /// Log groups it may write.
    pub log_groups: Vec<String>,
    /// Where it may send requests: `scheme://host[:port]`, `*.` in front of a domain, https without a scheme.
    pub http: Vec<String>,
    /// Secrets it may place in requests.
    pub secrets: Vec<String>,
    /// Whether it has durable state.
    pub state: bool,
}

/// The tag in front of each capability.
const TAG: &str = "logboom:allow-";

impl Grants {
    /// Everything: for the owner's own tests.
    pub fn all() -> Self {
        let any = || vec!["*".to_owned()];
        Self { publish: any(), metrics: any(), log_groups: any(), http: any(), secrets: any(), state: true }
    }

    /// Reads tags `logboom:allow-{publish,metrics,logs,http,secrets,state}`; values are lists
    /// separated by spaces or commas. Other tags are not looked at.
    ///
    /// # Errors
    /// A sentence that names a `logboom:allow-` tag that means nothing.
    pub fn from_tags(tags: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut grants = Self::default();
        for (key, value) in tags {
            let Some(capability) = key.strip_prefix(TAG) else { continue };
            let items = value.split([' ', ',']).filter(|i| !i.is_empty()).map(str::to_owned);
            match capability {
                "publish" => grants.publish.extend(items),
                "metrics" => grants.metrics.extend(items),
                "logs" => grants.log_groups.extend(items),
                "http" => grants.http.extend(items),
                "secrets" => grants.secrets.extend(items),
                "state" if value == "true" || value == "false" => grants.state = value == "true",
                "state" => return Err(format!("The tag {key} must be true or false, not {value}.")),
                _ => {
                    return Err(format!(
                        "The tag {key} names no capability; there are publish, metrics, logs, http, secrets and state."
                    ));
                }
            }
        }
        grants.checked()
    }

    /// A grant of HTTP that could never match anything is a mistake.
    fn checked(self) -> Result<Self, String> {
        self.http.iter().try_for_each(|grant| Target::parse(grant).map(drop))?;
        Ok(self)
    }

    /// Reads the `[allow]` table of `function.toml`: `publish`, `metrics`, `log_groups`, `http`,
    /// `secrets` (lists) and `state` (true or false).
    ///
    /// # Errors
    /// What is wrong with the text, or the key that names no capability.
    pub fn from_manifest(text: &str) -> Result<Self, String> {
        #[derive(Default, Deserialize)]
        struct Manifest {
            #[serde(default)]
            allow: Grants,
        }
        let read = toml::from_str::<Manifest>(text).map_err(|e| e.to_string());
        read.and_then(|m| m.allow.checked()).map_err(|e| format!("function.toml: {e}"))
    }

    /// Everything either grants.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.publish.extend(other.publish);
        self.metrics.extend(other.metrics);
        self.log_groups.extend(other.log_groups);
        self.http.extend(other.http);
        self.secrets.extend(other.secrets);
        self.state |= other.state;
        self
    }

    /// One line per capability, for people: `publish ops`, `state`.
    pub fn lines(&self) -> Vec<String> {
        let lists = [
            ("publish", &self.publish),
            ("metrics", &self.metrics),
            ("logs", &self.log_groups),
            ("http", &self.http),
            ("secrets", &self.secrets),
        ];
        let mut lines: Vec<String> = lists
            .iter()
            .flat_map(|(what, items)| items.iter().map(move |item| format!("{what} {item}")))
            .collect();
        lines.extend(self.state.then(|| "state".to_owned()));
        lines
    }

    /// Whether a topic may be published to; it may be given by name or ARN.
    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        let name = topic.rsplit(':').next().unwrap_or(topic);
        self.publish.iter().any(|p| matches(p, name) || matches(p, topic))
    }

    pub(crate) fn may_measure(&self, namespace: &str) -> bool {
        self.metrics.iter().any(|p| matches(p, namespace))
    }

    pub(crate) fn may_write(&self, group: &str) -> bool {
        self.log_groups.iter().any(|p| matches(p, group))
    }

    /// Whether a request may go to a URL.
    pub(crate) fn may_request(&self, uri: &hyper::Uri) -> bool {
        self.http.iter().any(|grant| Target::parse(grant).is_ok_and(|target| target.covers(uri)))
    }

    pub(crate) fn may_use_secret(&self, name: &str) -> bool {
        self.secrets.iter().any(|p| matches(p, name))
    }
}

/// Whether `text` is what `pattern` says; `*` stands for any run of characters. Linear in the text
/// for each star, never exponential.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, text, expected) in [
            ("ops", "ops", true),
            ("ops", "ops2", false),
            ("*", "", true),
            ("App/*", "App/x/y", true),
            ("App/*", "App", false),
            ("*-prod-*", "a-prod-b", true),
            ("a*a", "a", false),
            ("a*b*c", "a1b2b3c", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn tags_grant_and_a_wrong_one_is_named() {
        let tags =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let grants = Grants::from_tags(&tags(&[
            ("team", "x"),
            ("logboom:allow-publish", "ops, alerts"),
            ("logboom:allow-state", "true"),
        ]))
        .expect("grants");
        assert_eq!(grants.lines(), ["publish ops", "publish alerts", "state"]);
        assert!(grants.may_publish("arn:aws:sns:us-east-1:000000000000:ops") && !grants.may_publish("other"));
        assert!(
            Grants::from_tags(&tags(&[("logboom:allow-everything", "1")]))
                .is_err_and(|e| e.contains("everything"))
        );
        assert!(Grants::from_tags(&tags(&[("logboom:allow-state", "yes")])).is_err());
    }

    #[test]
    fn a_manifest_grants_and_a_wrong_key_is_named() {
        let grants =
            Grants::from_manifest("name = 'f'\n[allow]\nmetrics = ['App/*']\nstate = true").expect("grants");
        assert!(grants.may_measure("App/Latency") && grants.state && !grants.may_write("/x"));
        assert!(Grants::from_manifest("[allow]\nnetwork = true").is_err_and(|e| e.contains("network")));
    }
}
