//! The seam to functions from outside: how a name is resolved and how it is called, column-wise.
//! Refuses to know what a module or a guest is.

use std::sync::Arc;

use crate::value::Value;

/// Parameters and meaning of an outside function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name, as queries write it.
    pub name: String,
    /// Number of fixed parameters.
    pub parameters: usize,
    /// Whether the last parameter may be repeated or left out.
    pub variadic: bool,
    /// One line for people.
    pub help: String,
}

/// One outside function. Pure: equal columns give equal results.
pub trait Guest: Send + Sync {
    /// How it is called.
    fn signature(&self) -> &Signature;

    /// `columns[p][row]`, never a list, map or time (those arrive as text, text and whole number);
    /// returns one value per row or what went wrong.
    fn evaluate(&self, columns: &[Vec<Value>], rows: usize) -> Result<Vec<Value>, String>;
}

/// What a name means outside.
pub enum Resolution {
    /// Nothing.
    Unknown,
    /// This function.
    Found(Arc<dyn Guest>),
    /// Several modules claim it; the text names them.
    Ambiguous(String),
}

/// All outside functions, by name.
pub trait Functions {
    /// Looks one up; called while a query compiles.
    fn resolve(&self, name: &str) -> Resolution;

    /// All names, for "did you mean".
    fn names(&self) -> Vec<String>;
}

/// No outside function at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFunctions;

impl Functions for NoFunctions {
    fn resolve(&self, _name: &str) -> Resolution {
        Resolution::Unknown
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}
