//! A guest with query functions, some of which misbehave, and a handler of schedules that fails as often as its input
//! asks for.

use logboom_sdk::prelude::*;
use logboom_sdk::{QueryFunctions, Scalar, ScalarType, Signature};

struct Columns;

/// What is computed of one row.
type One = fn(&[&Scalar]) -> Result<Scalar, String>;

/// Name, parameters, whether the last may repeat, result, meaning.
const FUNCTIONS: &[(&str, &[ScalarType], bool, ScalarType, One)] = &[
    ("plus_one", &[ScalarType::Integer], false, ScalarType::Integer, |row| match row {
        [Scalar::Integer(n)] => Ok(Scalar::Integer(n + 1)),
        _ => Ok(Scalar::Null),
    }),
    ("net_of", &[ScalarType::Text], false, ScalarType::Text, |row| match row {
        [Scalar::Text(ip)] => {
            Ok(ip.rsplit_once('.').map_or(Scalar::Null, |(net, _)| Scalar::Text(net.to_owned())))
        }
        _ => Ok(Scalar::Null),
    }),
    ("is_even", &[ScalarType::Integer], false, ScalarType::Boolean, |row| match row {
        [Scalar::Integer(n)] => Ok(Scalar::Boolean(n % 2 == 0)),
        _ => Ok(Scalar::Null),
    }),
    ("glue", &[ScalarType::Text], true, ScalarType::Text, |row| {
        Ok(Scalar::Text(
            row.iter().map(|one| if let Scalar::Text(text) = one { text.as_str() } else { "-" }).collect(),
        ))
    }),
    ("picky", &[ScalarType::Text], false, ScalarType::Text, |row| match row {
        [Scalar::Text(text)] if text.contains("boom") => Err(format!("does not like {text}")),
        _ => Ok(Scalar::Text("fine".to_owned())),
    }),
    ("crash", &[ScalarType::Any], false, ScalarType::Any, |_| panic!("no such column")),
    ("endless", &[ScalarType::Any], false, ScalarType::Any, |_| {
        loop {
            std::hint::black_box(0);
        }
    }),
    ("liar", &[ScalarType::Any], false, ScalarType::Integer, |_| Ok(Scalar::Text("a text".to_owned()))),
    // The language's own wins.
    ("toUpper", &[ScalarType::Text], false, ScalarType::Text, |_| Ok(Scalar::Text("wrong".to_owned()))),
];

impl QueryFunctions for Columns {
    fn describe() -> Vec<Signature> {
        let one =
            |(name, parameters, variadic, returns, _): &(&str, &[ScalarType], bool, ScalarType, One)| {
                Signature {
                    name: (*name).to_owned(),
                    parameters: parameters.to_vec(),
                    variadic: *variadic,
                    returns: *returns,
                    help: format!("the test function {name}"),
                }
            };
        FUNCTIONS.iter().map(one).collect()
    }

    fn evaluate(name: &str, columns: &[Vec<Scalar>], rows: usize) -> Result<Vec<Scalar>, String> {
        let found = FUNCTIONS.iter().find(|(known, ..)| *known == name);
        let (.., compute) = found.ok_or_else(|| format!("no function {name}"))?;
        let mut row = Vec::with_capacity(columns.len());
        (0..rows)
            .map(|at| {
                row.clear();
                row.extend(columns.iter().map(|column| &column[at]));
                compute(&row)
            })
            .collect()
    }
}

impl Scheduled for Columns {
    /// The input is a number: as many tries fail.
    fn handle(tick: &Tick) -> Result<(), HandlerError> {
        println!("tick {} {} {} {}", tick.schedule, tick.due_at, tick.attempt, tick.input_json);
        match tick.input_json.parse::<u32>() {
            Ok(failures) if tick.attempt <= failures => Err(retry("not yet")),
            _ if tick.input_json == "\"never\"" => Err(permanent("never")),
            _ => Ok(()),
        }
    }
}

logboom_sdk::export!(Columns: query_functions, scheduled);
