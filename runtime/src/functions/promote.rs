//! Owns making a version the one that serves, and going back. What serves is an alias, which is moved, or `$LATEST`,
//! which gets the version's code and configuration. Refuses to know deliveries: each asks which version answers when
//! it begins, and keeps that answer, so an event is handled by the version of before or by the one of after.
//!
//! All of it is one change: the move, what served before, and the end of the shadow that was promoted.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use wasm::{AliasRecord, FunctionRecord, LATEST, Records as _};
use wire::Fault;

use super::attached::{self, Point};
use super::shadow::{self, existing, function, warm};
use super::{attach, registry, resolve, versions};
use crate::app::App;
use crate::meta::Tx;
use crate::records::Scope;
use crate::records::aliases::ALIASES;
use crate::records::promotions::{self, Promotion, Serving};
use crate::records::shadows;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The function.
    pub(crate) name: String,
    /// The version; the shadow's if none is given.
    pub(crate) version: Option<String>,
    /// The alias that is moved, or `$LATEST`; what is attached decides if none is given.
    pub(crate) alias: Option<String>,
}

/// A move from one version to another.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    function: FunctionRecord,
    /// An alias, or `$LATEST`.
    target: String,
    from: Serving,
    to: Serving,
    points: Vec<Point>,
    /// What the function may touch before and after.
    grants: [Vec<String>; 2],
}

impl Plan {
    /// As JSON.
    pub(crate) fn shown(&self) -> Value {
        let serving = |of: &Serving| json!({ "version": of.version, "additional": of.additional });
        let [before, after] = &self.grants;
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|line| !those.contains(line)).cloned().collect()
        };
        json!({
            "function": self.function.name,
            "target": self.target,
            "from": serving(&self.from),
            "to": serving(&self.to),
            "attached": self.points.iter().map(|point| &point.text).collect::<Vec<_>>(),
            "granted": only(after, before),
            "revoked": only(before, after),
        })
    }
}

/// What would be done by [`promote`].
///
/// # Errors
/// As [`promote`].
pub(crate) fn plan_promotion(app: &App, scope: &Scope, wanted: &Wanted) -> Result<Plan, Fault> {
    app.meta.read(|tx| promotion(tx, scope, wanted))
}

/// Makes a version the one that serves, from the next delivery on.
///
/// # Errors
/// `ResourceNotFoundException` for a function, version, alias or shadow that is not there;
/// `InvalidParameterValueException` that says why the version cannot serve, or that more than one name could be meant.
pub(crate) async fn promote(app: &Arc<App>, scope: &Scope, wanted: Wanted) -> Result<Plan, Fault> {
    let plan = plan_promotion(app, scope, &wanted)?;
    warm(app, scope, &wanted.name, &plan.to.version).await?;
    let (of, now_ms) = (scope.clone(), app.clock.now_ms());
    let done = app.meta.change(move |tx| {
        let mut plan = promotion(tx, &of, &wanted)?;
        publish_latest(tx, &of, &mut plan)?;
        let Plan { function, target, from, to, .. } = &plan;
        let promotion = Promotion { version: to.version.clone(), before: from.clone(), at_ms: now_ms };
        promotions::put(tx, function.id, target, &promotion)?;
        if let Some(shadow) = shadows::of(tx, function.id)?
            && is_of(tx, &plan, &shadow.version)?
        {
            shadows::remove(tx, function.id)?;
        }
        serve(tx, &of, &plan, now_ms)?;
        Ok::<_, Fault>(plan)
    });
    settled(app, done.await?)
}

/// What would be done by [`roll_back`].
///
/// # Errors
/// As [`roll_back`].
pub(crate) fn plan_rollback(app: &App, scope: &Scope, wanted: &Wanted) -> Result<Plan, Fault> {
    app.meta.read(|tx| rollback(tx, scope, wanted))
}

/// Goes back to what served before the last promotion, from the next delivery on.
///
/// # Errors
/// `ResourceNotFoundException`, `InvalidParameterValueException` that says why there is no way back.
pub(crate) async fn roll_back(app: &Arc<App>, scope: &Scope, wanted: Wanted) -> Result<Plan, Fault> {
    let plan = plan_rollback(app, scope, &wanted)?;
    warm(app, scope, &wanted.name, &plan.to.version).await?;
    let (of, now_ms) = (scope.clone(), app.clock.now_ms());
    let done = app.meta.change(move |tx| {
        let plan = rollback(tx, &of, &wanted)?;
        promotions::remove(tx, plan.function.id, &plan.target)?;
        serve(tx, &of, &plan, now_ms)?;
        Ok::<_, Fault>(plan)
    });
    settled(app, done.await?)
}

fn settled(app: &App, plan: Plan) -> Result<Plan, Fault> {
    // Other code may well do what the last did not.
    app.functions.breakers.forget(plan.function.id);
    shadow::refresh(app, plan.function.id, &plan.function.name)?;
    registry::prune(app);
    Ok(plan)
}

fn promotion(tx: &mut Tx<'_>, scope: &Scope, wanted: &Wanted) -> Result<Plan, Fault> {
    let latest = function(tx, scope, &wanted.name)?;
    let version = match &wanted.version {
        Some(version) => version.clone(),
        None => shadows::of(tx, latest.id)?.map(|shadow| shadow.version).ok_or_else(|| {
            refusal(format!("{} has no shadow: say which version is to be promoted.", latest.name))
        })?,
    };
    let to = existing(tx, scope, &wanted.name, &version)?;
    let every = attached::of(tx, scope, &wanted.name)?;
    let target = target(tx, &latest, &every, wanted.alias.as_deref())?;
    let from = serving(tx, &latest, &target)?;
    let to = match versions::like(tx, &latest)? {
        Some(like) if to.is_latest() => like.version,
        _ => to.version,
    };
    let to = Serving { version: to, ..Serving::default() };
    if to == from {
        return Err(refusal(format!("Version {version} is what {target} of {} serves.", latest.name)));
    }
    plan(tx, scope, (latest, target), (from, to), every)
}

fn rollback(tx: &mut Tx<'_>, scope: &Scope, wanted: &Wanted) -> Result<Plan, Fault> {
    let latest = function(tx, scope, &wanted.name)?;
    let mut made = promotions::of(tx, latest.id)?;
    made.retain(|(target, _)| wanted.alias.as_ref().is_none_or(|alias| alias == target));
    let last = made.into_iter().max_by_key(|(_, promotion)| promotion.at_ms);
    let Some((target, promotion)) = last else {
        let of = wanted.alias.as_ref().map_or_else(String::new, |alias| format!("{alias} of "));
        let name = &latest.name;
        let text = format!("There is nothing to go back to: no promotion of {of}{name} is remembered.");
        return Err(refusal(text));
    };
    if !serves(tx, &latest, &target, &promotion.version)? {
        return Err(refusal(format!(
            "{target} of {} was changed after version {} was promoted: there is no way back from there.",
            latest.name, promotion.version
        )));
    }
    let every = attached::of(tx, scope, &wanted.name)?;
    let from = Serving { version: promotion.version, ..Serving::default() };
    plan(tx, scope, (latest, target), (from, promotion.before), every)
}

fn plan(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (latest, target): (FunctionRecord, String),
    (from, to): (Serving, Serving),
    every: Vec<Point>,
) -> Result<Plan, Fault> {
    let named = |point: &Point| point.qualifier.as_deref().unwrap_or(LATEST) == target;
    let points: Vec<Point> = every.into_iter().filter(named).collect();
    for version in std::iter::once(&to.version).chain(to.additional.keys()) {
        existing(tx, scope, &latest.name, version)?;
        check_points(tx, scope, &latest.name, version, &points)?;
    }
    let grants = [granted(tx, &latest, &from.version)?, granted(tx, &latest, &to.version)?];
    if target == LATEST && latest.staged.is_some() {
        return Err(refusal(format!("New code of {} is being compiled: try again.", latest.name)));
    }
    Ok(Plan { function: latest, target, from, to, points, grants })
}

/// Refuses a version that could not do what what is attached needs.
fn check_points(
    tx: &mut Tx<'_>,
    scope: &Scope,
    name: &str,
    version: &str,
    points: &[Point],
) -> Result<(), Fault> {
    for Point { purpose, text, .. } in points {
        if let Err(attach::Unusable::Unfit(reason)) =
            attach::check_in(tx, scope, &format!("{name}:{version}"), *purpose)
        {
            return Err(refusal(format!("The {text} needs something else: {reason}.")));
        }
    }
    Ok(())
}

fn granted(tx: &mut Tx<'_>, latest: &FunctionRecord, version: &str) -> Result<Vec<String>, Fault> {
    let found = resolve::version(tx, latest, version)?.unwrap_or_default();
    Ok(attach::grants(&found).map_err(refusal)?.lines())
}

/// What is to be moved: the alias that was named, else the one name by which the function is attached, else its only
/// alias, else `$LATEST`.
fn target(
    tx: &Tx<'_>,
    latest: &FunctionRecord,
    every: &[Point],
    named: Option<&str>,
) -> Result<String, Fault> {
    let aliases: Vec<String> = ALIASES.list(tx, latest.id)?.into_iter().map(|alias| alias.name).collect();
    if let Some(named) = named {
        if named == LATEST || aliases.iter().any(|alias| alias == named) {
            return Ok(named.to_owned());
        }
        let text = format!("{} has no alias {named}.", latest.name);
        return Err(Fault::new("ResourceNotFoundException", text).status(404));
    }
    // A version that is named by its number stays what it is.
    let movable = |name: &&str| *name == LATEST || aliases.iter().any(|alias| alias == name);
    let names = every.iter().map(|point| point.qualifier.as_deref().unwrap_or(LATEST)).filter(movable);
    let names: BTreeSet<&str> = names.collect();
    let mut names = if names.is_empty() { aliases.iter().map(String::as_str).collect() } else { names };
    let first = names.pop_first().unwrap_or(LATEST).to_owned();
    if names.is_empty() {
        return Ok(first);
    }
    let all: Vec<&str> = std::iter::once(first.as_str()).chain(names).collect();
    Err(refusal(format!(
        "{} is served under more than one name: say which alias, of {}.",
        latest.name,
        all.join(", ")
    )))
}

/// What serves under an alias, or as `$LATEST`: the version that is like it, if there is one.
fn serving(tx: &mut Tx<'_>, latest: &FunctionRecord, target: &str) -> Result<Serving, Fault> {
    if target == LATEST {
        let like = versions::like(tx, latest)?;
        let version = like.map_or_else(|| LATEST.to_owned(), |version| version.version);
        return Ok(Serving { version, ..Serving::default() });
    }
    let alias = ALIASES.current(tx, latest.id, target)?.and_then(|alias| alias.body);
    let gone = || refusal(format!("The alias {target} of {} is gone.", latest.name));
    let AliasRecord { version, additional, .. } = alias.ok_or_else(gone)?;
    Ok(Serving { version, additional })
}

/// Whether a version, and no other, serves under an alias or as `$LATEST`.
fn serves(tx: &mut Tx<'_>, latest: &FunctionRecord, target: &str, version: &str) -> Result<bool, Fault> {
    if target == LATEST {
        let found = resolve::version(tx, latest, version)?;
        return Ok(found.is_some_and(|found| versions::is_like(latest, &found)));
    }
    let only = Serving { version: version.to_owned(), ..Serving::default() };
    Ok(serving(tx, latest, target)? == only)
}

/// Gives `$LATEST` a number where a plan names it: it changes with the next deployment, and what serves must not.
fn publish_latest(tx: &mut Tx<'_>, scope: &Scope, plan: &mut Plan) -> Result<(), Fault> {
    let Plan { function, target, from, to, .. } = plan;
    // An alias may stay on `$LATEST` as long as nobody moves it.
    let named = [(target == LATEST).then_some(&mut from.version), Some(&mut to.version)];
    for version in named.into_iter().flatten().filter(|version| *version == LATEST) {
        let published = match versions::like(tx, function)? {
            Some(like) => like,
            None => versions::publish(tx, function, None)?,
        };
        tx.put_function(&scope.account, &scope.region, function)?;
        *version = published.version;
    }
    Ok(())
}

/// Whether a shadow is of the version that a plan promotes.
fn is_of(tx: &mut Tx<'_>, plan: &Plan, shadow: &str) -> Result<bool, Fault> {
    let promoted = plan.to.version.as_str();
    if shadow != LATEST {
        return Ok(shadow == promoted);
    }
    Ok(versions::like(tx, &plan.function)?.is_some_and(|like| like.version == promoted))
}

/// Makes what a plan leads to the one that serves.
fn serve(tx: &mut Tx<'_>, scope: &Scope, plan: &Plan, now_ms: i64) -> Result<(), Fault> {
    let Plan { function: latest, target, to, .. } = plan;
    if target == LATEST {
        let version = existing(tx, scope, &latest.name, &to.version)?;
        let restored = latest.restored(&version, now_ms);
        return Ok(tx.put_function(&scope.account, &scope.region, &restored)?);
    }
    let alias = ALIASES.current(tx, latest.id, target)?.and_then(|alias| alias.body).unwrap_or_default();
    let Serving { version, additional } = to.clone();
    ALIASES.put(tx, latest.id, target, AliasRecord { version, additional, ..alias }, now_ms)?;
    Ok(())
}

fn refusal(text: String) -> Fault {
    Fault::new("InvalidParameterValueException", text).status(400)
}
