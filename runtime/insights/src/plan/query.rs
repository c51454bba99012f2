//! A compiled query.

use std::fmt;
use std::sync::Arc;

use super::needs::Needs;
use super::planner::Planner;
use crate::error::CompileError;
use crate::guest::Functions;
use crate::limits::{DEFAULT_ROWS, Limits, MAX_ROWS};
use crate::run::sink::Barrier;
use crate::run::stage::Stage;
use crate::text::parser::parse_query;

/// The time range of a query, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First millisecond.
    pub start_ms: i64,
    /// Last millisecond.
    pub end_ms: i64,
}

/// What runs.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// At least one; the first reads blocks, each later one the table its predecessor left.
    pub(crate) stages: Vec<Stage>,
    /// Result fields and their columns in the last table.
    pub(crate) columns: Vec<(String, usize)>,
    pub(crate) needs: Needs,
    /// The query says how many rows it wants.
    pub(crate) limited: bool,
}

/// A compiled query; cheap to clone and to send to other threads.
#[derive(Clone)]
pub struct Query {
    plan: Arc<Plan>,
    canonical: Arc<str>,
    now_ms: i64,
    window: Window,
    limits: Limits,
}

impl Query {
    /// Compiles a query text. `now_ms` is what `now()` answers; `functions` are the outside functions.
    ///
    /// # Errors
    /// What is not in the grammar, not known or not supported, with its place in the text.
    pub fn compile(
        text: &str,
        functions: &dyn Functions,
        now_ms: i64,
        window: Window,
    ) -> Result<Query, CompileError> {
        let commands = parse_query(text)?;
        let mut planner = Planner::new(text, functions, now_ms, window);
        for command in &commands {
            planner.command(&**command)?;
        }
        let plan = planner.finish();
        let canonical: Vec<String> = commands.iter().map(ToString::to_string).collect();
        Ok(Query {
            plan: Arc::new(plan),
            canonical: canonical.join(" | ").into(),
            now_ms,
            window,
            limits: Limits::default(),
        })
    }

    /// Sets how many rows a query without `limit` returns (10,000 unless told; at most 100,000).
    #[must_use]
    pub fn default_limit(mut self, rows: usize) -> Query {
        let plan = Arc::make_mut(&mut self.plan);
        if !plan.limited {
            plan.limit(rows.min(MAX_ROWS));
        }
        self
    }

    /// What the query reads, for the caller to fetch no more than that.
    pub fn needs(&self) -> &Needs {
        &self.plan.needs
    }

    /// The time range given at compilation.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Whether the rows are aggregates (and so have no `@ptr`).
    pub fn is_aggregate(&self) -> bool {
        self.plan.stages.iter().any(|stage| matches!(stage.barrier, Barrier::Groups(_)))
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn limited(mut self, limits: Limits) -> Query {
        self.limits = limits;
        self
    }

    /// Whether states of both can be merged.
    pub(crate) fn is_same(&self, other: &Query) -> bool {
        Arc::ptr_eq(&self.plan, &other.plan)
            || (self.canonical == other.canonical
                && self.now_ms == other.now_ms
                && self.window == other.window)
    }
}

impl Plan {
    /// Bounds the rows of a query that does not do so itself.
    fn limit(&mut self, rows: usize) {
        let last = self.stages.len() - 1;
        // A `dedup` is followed by the final stage only.
        for stage in &mut self.stages[last.saturating_sub(1)..] {
            match &mut stage.barrier {
                Barrier::Top(top) => top.limit = rows,
                Barrier::Distinct(distinct) => distinct.limit = rows,
                Barrier::Groups(_) => {}
            }
        }
        self.needs.bound(&self.stages[0]);
    }

    /// Finishes a plan whose last barrier is the end of the query.
    pub(crate) fn new(
        stages: Vec<Stage>,
        columns: Vec<(String, usize)>,
        mut needs: Needs,
        limited: bool,
    ) -> Plan {
        needs.bound(&stages[0]);
        let mut plan = Plan { stages, columns, needs, limited };
        if !limited {
            plan.limit(DEFAULT_ROWS);
        }
        plan
    }
}

/// The query in canonical spelling; compiles to the same plan.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical)
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// Rounds of property tests: few by default, a hundred times as many with `LOGBOOM_LONG=1`.
#[cfg(test)]
pub(crate) fn proptest_rounds(few: u32) -> proptest::prelude::ProptestConfig {
    let long = std::env::var_os("LOGBOOM_LONG").is_some();
    proptest::prelude::ProptestConfig::with_cases(if long { few * 100 } else { few })
}
