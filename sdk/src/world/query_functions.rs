//! The world `query-function`.

use std::mem::ManuallyDrop;

use super::Exported;
use crate::generated::query_functions::exports::logboom::extension::query_functions::Guest;
use crate::{Scalar, Signature};

/// Scalar functions of the query language. Pure.
pub trait QueryFunctions {
    /// The functions this guest offers.
    fn describe() -> Vec<Signature>;

    /// One value per row; `columns[parameter][row]`.
    ///
    /// # Errors
    /// A message: the query fails with it.
    fn evaluate(name: &str, columns: &[Vec<Scalar>], rows: usize) -> Result<Vec<Scalar>, String>;
}

impl<T: QueryFunctions> Guest for Exported<T> {
    fn describe() -> Vec<Signature> {
        super::entry::enter_silently();
        T::describe()
    }

    fn evaluate(name: String, columns: Vec<Vec<Scalar>>, rows: u32) -> Result<Vec<Scalar>, String> {
        super::entry::enter_silently();
        // The instance ends with the call: giving thousands of texts back one by one would be for nothing.
        T::evaluate(&name, &ManuallyDrop::new(columns), rows as usize)
    }
}
