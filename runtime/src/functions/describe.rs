//! Owns asking a module for its query functions, once, when it is compiled, and refusing what no query could use.
//! Refuses to evaluate them (`query`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wasm::{
    Call, Grants, InvokeError, LogLine, Module, NotifyError, Role, ScalarType, Services, Signature, SinkError,
};

use crate::app::App;
use crate::records::query_functions::{Described, Kind};

/// Query functions of one module, and parameters of one of them.
const FUNCTIONS_MAX: usize = 100;
const PARAMETERS_MAX: usize = 32;

/// Characters of a name and of a line of help.
const NAME_CHARS_MAX: usize = 64;
const HELP_CHARS_MAX: usize = 256;

/// Time and memory of the question.
const TIMEOUT_MS: u64 = 3_000;
const MEMORY_BYTES: usize = 128 << 20;

/// What a module offers to queries; nothing for one that has no such world.
///
/// # Errors
/// A sentence: the module does not answer, or with something no query could use.
pub(super) async fn describe(app: &Arc<App>, module: &Module) -> Result<Vec<Described>, String> {
    if !module.has(Role::QueryFunctions) {
        return Ok(Vec::new());
    }
    let call = Call {
        request_id: app.clock.uuid(),
        delivery_id: module.digest().to_owned(),
        // The answer is kept by digest: it must not depend on the function's name or settings.
        function_name: "describe".to_owned(),
        version: "$LATEST".to_owned(),
        account: app.config.account.clone(),
        region: String::new(),
        timeout_ms: TIMEOUT_MS,
        memory_bytes: MEMORY_BYTES,
        config: Arc::new(BTreeMap::new()),
        grants: Arc::new(Grants::default()),
        services: Arc::new(Nothing),
        sources: Vec::new(),
    };
    let (shared, asked) = (Arc::clone(app), module.clone());
    let told =
        app.functions.crew.run(async move { shared.functions.host.describe(&asked, &call).await.result });
    let told = told.await.unwrap_or(Err(InvokeError::Stopped));
    let told = told.map_err(|error| format!("The module does not describe its query functions: {error}"))?;
    check(&told)?;
    Ok(told.into_iter().map(described).collect())
}

fn check(told: &[Signature]) -> Result<(), String> {
    if told.len() > FUNCTIONS_MAX {
        return Err(format!(
            "The module describes {} query functions; {FUNCTIONS_MAX} are allowed.",
            told.len()
        ));
    }
    let mut names = BTreeSet::new();
    for Signature { name, parameters, .. } in told {
        let is_name = name.len() <= NAME_CHARS_MAX
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(format!(
                "The module describes a query function {name:?}: a name begins with a letter and has letters, digits \
                 and `_`, {NAME_CHARS_MAX} at most."
            ));
        }
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(format!(
                "The module describes the query function {name} twice; case does not count."
            ));
        }
        if parameters.len() > PARAMETERS_MAX {
            return Err(format!(
                "The query function {name} has {} parameters; {PARAMETERS_MAX} are allowed.",
                parameters.len()
            ));
        }
    }
    Ok(())
}

fn described(told: Signature) -> Described {
    let Signature { name, parameters, variadic, returns, help } = told;
    Described {
        name,
        variadic: variadic && !parameters.is_empty(),
        parameters: parameters.into_iter().map(kind).collect(),
        returns: kind(returns),
        help: help.chars().take(HELP_CHARS_MAX).collect(),
    }
}

fn kind(kind: ScalarType) -> Kind {
    match kind {
        ScalarType::Any => Kind::Any,
        ScalarType::Boolean => Kind::Boolean,
        ScalarType::Integer => Kind::Integer,
        ScalarType::Number => Kind::Number,
        ScalarType::Text => Kind::Text,
    }
}

/// What is said at deploy of names that the query language has itself: those win, so these are never called.
pub(super) fn shadowed(described: &[Described]) -> String {
    let names = described.iter().map(|one| one.name.as_str()).filter(|name| insights::is_built_in(name));
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return String::new();
    }
    format!("The query language has functions of its own named {}: queries call those.", names.join(", "))
}

/// A module that is asked what it is has nothing to do with the product.
struct Nothing;

impl Services for Nothing {
    fn log(&self, line: LogLine) {
        tracing::debug!(%line, "a module that describes its query functions");
    }

    fn topic_arn(&self, topic: &str) -> Result<String, NotifyError> {
        Err(NotifyError::NoSuchTopic(topic.to_owned()))
    }

    fn check_log_group(&self, log_group: &str) -> Result<(), SinkError> {
        Err(SinkError::NoSuchGroup(log_group.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> Signature {
        Signature {
            name: name.to_owned(),
            parameters: vec![ScalarType::Text],
            variadic: false,
            returns: ScalarType::Integer,
            help: "h".repeat(1_000),
        }
    }

    #[test]
    fn what_no_query_could_use_is_refused() {
        assert!(check(&[told("geo"), told("a_1")]).is_ok());
        for bad in ["", "1a", "a b", "geo-ip", "é", &"x".repeat(65)] {
            assert!(check(&[told(bad)]).unwrap_err().contains("begins with a letter"), "{bad}");
        }
        assert!(check(&[told("geo"), told("GEO")]).unwrap_err().contains("twice"));
        assert!(check(&vec![told("x"); 101]).unwrap_err().contains("100"));
        let wide = Signature { parameters: vec![ScalarType::Any; 33], ..told("wide") };
        assert!(check(&[wide]).unwrap_err().contains("32"));
        let kept = described(Signature { variadic: true, parameters: Vec::new(), ..told("none") });
        assert!(!kept.variadic && kept.help.len() == HELP_CHARS_MAX);
    }

    #[test]
    fn names_of_the_language_are_pointed_out() {
        let kept = |name: &str| described(told(name));
        assert_eq!(shadowed(&[kept("geo")]), "");
        let said = shadowed(&[kept("ToUpper"), kept("geo"), kept("count"), kept("haversine")]);
        assert!(said.contains("ToUpper, count, haversine:"), "{said}");
    }
}
