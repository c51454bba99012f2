//! How the grants of a function that exists change with a deployment.
//!
//! Owns the difference of two sets of tags, showing it and asking about what is added. Refuses to change tags.

use serde_json::{Map, Value};

use super::client::{Client, ClientError};
use super::deploy;

/// The tag that carries a grant of a kind begins with this.
pub(super) const TAG: &str = "logboom:allow-";

/// What becomes of the tags that grant something.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change {
    /// Tags that are new or say something else.
    pub(super) set: Map<String, Value>,
    /// Tags that go.
    pub(super) removed: Vec<String>,
    lines: Vec<String>,
}

impl Change {
    /// From the tags of a function to those that are wanted. Tags that grant nothing stay as they are.
    pub(super) fn of(before: &Value, wanted: &Value) -> Change {
        let granting = |tags: &Value| -> Map<String, Value> {
            let all = tags.as_object().into_iter().flatten();
            let all = all.filter(|(name, _)| name.starts_with(TAG));
            all.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let (before, wanted) = (granting(before), granting(wanted));
        let mut change = Change::default();
        for (name, value) in &wanted {
            let kind = name.trim_start_matches(TAG);
            let (now, new) = (words(before.get(name)), words(Some(value)));
            let added =
                new.iter().filter(|one| !now.contains(one)).map(|one| format!("may now {kind}: {one}"));
            change.lines.extend(added);
            let gone = now.iter().filter(|one| !new.contains(one));
            change.lines.extend(gone.map(|one| format!("may no longer {kind}: {one}")));
            if before.get(name) != Some(value) {
                change.set.insert(name.clone(), value.clone());
            }
        }
        for (name, value) in before.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
            let kind = name.trim_start_matches(TAG);
            let gone = words(Some(value));
            change.lines.extend(gone.iter().map(|one| format!("may no longer {kind}: {one}")));
            change.removed.push(name.clone());
        }
        change
    }

    /// Whether it grants something that was not granted before.
    fn grants(&self) -> bool {
        self.lines.iter().any(|line| line.starts_with("may now"))
    }
}

/// What a tag grants, one by one.
fn words(value: Option<&Value>) -> Vec<&str> {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    text.split([' ', ',']).filter(|word| !word.is_empty()).collect()
}

/// Shows how the grants of a function change that is there already, and asks about those that are added. Those of a
/// new one were named on the command line or shown from its project.
///
/// # Errors
/// It was not given a yes.
pub(super) async fn consent(
    client: &Client,
    name: &str,
    wanted: &Value,
    is_given: bool,
) -> Result<(), ClientError> {
    let Some(before) = client.tags(name).await? else { return Ok(()) };
    let change = Change::of(&before, wanted);
    change.lines.iter().for_each(|line| eprintln!("{name} {line}"));
    if !change.grants() {
        return Ok(());
    }
    deploy::ask("grant this?", is_given, deploy::NOT_GRANTED)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_names_what_is_granted_and_what_is_not_any_more() {
        let before =
            json!({"logboom:allow-publish": "ops oncall", "logboom:allow-state": "true", "team": "x"});
        let after = json!({"logboom:allow-publish": "ops pager", "logboom:allow-logs": "/out"});
        let change = Change::of(&before, &after);
        assert_eq!(
            change.lines,
            [
                "may now logs: /out",
                "may now publish: pager",
                "may no longer publish: oncall",
                "may no longer state: true"
            ]
        );
        assert_eq!(change.removed, ["logboom:allow-state"]);
        assert_eq!(json!(change.set), after);
        assert!(change.grants() && !Change::of(&before, &json!({})).grants());
        assert_eq!(Change::of(&before, &before), Change::default());
    }
}
