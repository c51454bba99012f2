//! The seam to functions from outside: how a name is resolved and how it is called, column-wise.
//! Refuses to know what a module or a guest is.

use std::borrow::Cow;
use std::sync::Arc;

use crate::value::number::Number;
use crate::value::{Cell, Value};

/// What a parameter takes, or a function returns; null goes for every type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Whatever is there.
    Any,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// Text.
    Text,
}

impl Type {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Type::Any => "any",
            Type::Boolean => "boolean",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Text => "text",
        }
    }

    /// What a parameter of this type gets for a value: texts that are numbers count as numbers here as everywhere,
    /// and what has no meaning in this type is null. Times arrive as whole numbers, lists and maps as text.
    pub(crate) fn take(self, cell: Cell<'_>) -> Value {
        let text = || match cell {
            Cell::List(_) | Cell::Map(_) => cell.print(),
            cell => cell.text().map(Cow::into_owned),
        };
        match self {
            Type::Any => match cell {
                Cell::Time(ms) => Value::Int(ms),
                Cell::List(_) | Cell::Map(_) => text().map_or(Value::Null, Value::text),
                cell => cell.to_value(),
            },
            Type::Text => match cell {
                Cell::Text(_) => cell.to_value(),
                _ => text().map_or(Value::Null, Value::text),
            },
            Type::Number => cell.number().map_or(Value::Null, |number| Value::float(number.float())),
            Type::Integer => match cell.number() {
                Some(Number::Int(whole)) => Value::Int(whole),
                Some(number) if number.float().fract() == 0.0 => {
                    number.whole().map_or(Value::Null, Value::Int)
                }
                _ => Value::Null,
            },
            Type::Boolean => match (cell, cell.number().map(Number::float)) {
                (Cell::Text("true"), _) => Value::Bool(true),
                (Cell::Text("false"), _) => Value::Bool(false),
                (_, Some(0.0)) => Value::Bool(false),
                (_, Some(1.0)) => Value::Bool(true),
                _ => Value::Null,
            },
        }
    }

    /// Whether a function of this type may return the value.
    pub(crate) fn gives(self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Bool(_) => matches!(self, Type::Any | Type::Boolean),
            Value::Int(_) => matches!(self, Type::Any | Type::Integer | Type::Number),
            Value::Float(_) => matches!(self, Type::Any | Type::Number),
            Value::Text(_) => matches!(self, Type::Any | Type::Text),
            _ => false,
        }
    }
}

/// Parameters and meaning of an outside function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name, as queries write it.
    pub name: String,
    /// The types of the parameters.
    pub parameters: Vec<Type>,
    /// Whether the last parameter may be repeated or left out.
    pub variadic: bool,
    /// The type of every value it returns.
    pub returns: Type,
    /// One line for people.
    pub help: String,
}

/// One outside function. Pure: equal columns give equal results.
pub trait Guest: Send + Sync {
    /// How it is called.
    fn signature(&self) -> &Signature;

    /// `columns[p][row]`, each null or of its parameter's type, never a list, map or time; returns one value per row
    /// of the type it promises, or what went wrong. Called for some rows only where others have the same arguments.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_get_what_a_value_means_in_their_type() {
        let list = Value::List(vec![Value::Int(1)].into());
        for (given, any, boolean, integer, number, text) in [
            (Value::text("x"), "x", "", "", "", "x"),
            (Value::text("42"), "42", "", "42", "42", "42"),
            (Value::text("4.50"), "4.50", "", "", "4.5", "4.50"),
            (Value::text("true"), "true", "1", "", "", "true"),
            (Value::Int(1), "1", "1", "1", "1", "1"),
            (Value::Float(2.0), "2", "", "2", "2", "2"),
            (Value::Float(2.5), "2.5", "", "", "2.5", "2.5"),
            (Value::Bool(false), "0", "0", "0", "0", "0"),
            (Value::Time(7), "7", "", "7", "7", "7"),
            (list, "[1]", "", "", "", "[1]"),
            (Value::Null, "", "", "", "", ""),
        ] {
            let took = |kind: Type| {
                let value = kind.take(given.cell());
                assert!(kind.gives(&value), "{kind:?} of {given:?}");
                value.cell().print().unwrap_or_default()
            };
            let all = [Type::Any, Type::Boolean, Type::Integer, Type::Number, Type::Text].map(took);
            assert_eq!(all, [any, boolean, integer, number, text], "{given:?}");
        }
        assert!(!Type::Integer.gives(&Value::Float(1.0)) && !Type::Text.gives(&Value::Int(1)));
        assert!(!Type::Any.gives(&Value::Time(1)));
    }
}
