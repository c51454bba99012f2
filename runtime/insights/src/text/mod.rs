//! From characters to syntax trees and back. Knows no meaning: names are resolved in `plan`.

pub(crate) mod expression;
pub(crate) mod lex;
pub(crate) mod parser;
pub(crate) mod period;
pub(crate) mod spelling;
pub(crate) mod syntax;
