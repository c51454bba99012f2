//! Owns the grammar of filter policies and the texts with which AWS refuses one.
//! Refuses to know messages. The order of reads and checks decides the positions in the texts.

use serde_json::Value;

use super::reader::{Reader, Token};
use super::rule::{Cidr, Datum, Node, Range, Rule, Test, Wildcard};

/// Operator names; an object in `$or` that uses one of them makes `$or` an ordinary key.
const OPERATORS: [&str; 8] =
    ["prefix", "suffix", "equals-ignore-case", "anything-but", "wildcard", "numeric", "cidr", "exists"];

const ONE_KEY: &str = "Only one key allowed in match expression";

/// How many combinations of values a policy has: values multiply, deeper keys count by their depth.
pub(super) fn combinations(value: &Value, depth: u64) -> u64 {
    let Value::Object(fields) = value else { return 1 };
    fields.iter().fold(1, |product: u64, (key, value)| {
        let own = match value {
            Value::Object(_) => combinations(value, depth.saturating_add(1)),
            Value::Array(branches) if key == "$or" && branches.iter().all(Value::is_object) => {
                branches.iter().fold(0, |sum: u64, branch| sum.saturating_add(combinations(branch, depth)))
            }
            Value::Array(values) => (values.len() as u64).saturating_mul(depth),
            _ => 1,
        };
        product.saturating_mul(own)
    })
}

/// Parses a policy already known to be JSON.
pub(super) fn policy(text: &str) -> Result<Node, String> {
    let mut reader = Reader::new(text);
    if reader.next() != Token::StartObject {
        return Err(reader.fault("Filter is not an object"));
    }
    node(&mut reader)
}

fn node(reader: &mut Reader<'_>) -> Result<Node, String> {
    let mut node = Node::default();
    while let Token::Field(name) = reader.next() {
        if name == "$or" && is_or(reader.clone()) {
            reader.next();
            let mut branches = Vec::new();
            while reader.next() == Token::StartObject {
                branches.push(self::node(reader)?);
            }
            node.any_of.push(branches);
            continue;
        }
        let rule = match reader.next() {
            Token::StartObject => Rule::Nested(self::node(reader)?),
            Token::StartArray => Rule::Values(values(reader)?),
            _ => return Err(reader.fault(format_args!("\"{name}\" must be an object or an array"))),
        };
        node.fields.retain(|(known, _)| *known != name);
        node.fields.push((name, rule));
    }
    if node.fields.is_empty() && node.any_of.is_empty() {
        return Err(reader.fault("Empty objects are not allowed"));
    }
    Ok(node)
}

/// Whether the value that follows is a list of at least two objects without operators.
fn is_or(mut reader: Reader<'_>) -> bool {
    if reader.next() != Token::StartArray {
        return false;
    }
    let (mut objects, mut depth) = (0, 0);
    loop {
        match reader.next() {
            Token::StartObject | Token::StartArray => {
                objects += usize::from(depth == 0);
                depth += 1;
            }
            Token::EndArray if depth == 0 => return objects >= 2,
            Token::EndObject | Token::EndArray => depth -= 1,
            Token::Field(name) if depth == 1 && OPERATORS.contains(&name.as_str()) => return false,
            Token::End => return false,
            Token::Field(_) => {}
            _ if depth == 0 => return false,
            _ => {}
        }
    }
}

fn values(reader: &mut Reader<'_>) -> Result<Vec<Test>, String> {
    let mut tests = Vec::new();
    loop {
        let test = match reader.next() {
            Token::EndArray if tests.is_empty() => {
                return Err(reader.fault("Empty arrays are not allowed"));
            }
            Token::EndArray => return Ok(tests),
            Token::StartObject => expression(reader)?,
            Token::Text => Test::Exact(Datum::Text(reader.text())),
            Token::Number(number) => Test::Exact(Datum::Number(number)),
            Token::True => Test::Exact(Datum::Bool(true)),
            Token::False => Test::Exact(Datum::Bool(false)),
            Token::Null => Test::Exact(Datum::Null),
            _ => return Err(reader.fault("Match value must be String, number, true, false, or null")),
        };
        tests.push(test);
    }
}

/// Reads `{"operator": ...}` after its opening brace.
fn expression(reader: &mut Reader<'_>) -> Result<Test, String> {
    let Token::Field(name) = reader.next() else {
        return Err(reader.fault("Match expression name not found"));
    };
    let test = match name.as_str() {
        "prefix" => Test::Prefix(string(reader, "prefix")?),
        "suffix" => Test::Suffix(string(reader, "suffix")?),
        "equals-ignore-case" => Test::IgnoreCase(string(reader, "equals-ignore-case")?),
        "wildcard" => wildcard(reader)?,
        "anything-but" => anything_but(reader)?,
        "numeric" => numeric(reader)?,
        // AWS says "prefix" here too.
        "cidr" => Test::Cidr(Cidr::parse(&string(reader, "prefix")?)?),
        "exists" => match reader.next() {
            Token::True => Test::Exists(true),
            Token::False => Test::Exists(false),
            _ => return Err(reader.fault("exists match pattern must be either true or false.")),
        },
        _ => return Err(reader.fault(format_args!("Unrecognized match type {name}"))),
    };
    one_key(reader)?;
    Ok(test)
}

fn one_key(reader: &mut Reader<'_>) -> Result<(), String> {
    match reader.next() {
        Token::EndObject => Ok(()),
        _ => Err(reader.fault(ONE_KEY)),
    }
}

fn string(reader: &mut Reader<'_>, operator: &str) -> Result<String, String> {
    match reader.next() {
        Token::Text => Ok(reader.text()),
        _ => Err(reader.fault(format_args!("{operator} match pattern must be a string"))),
    }
}

fn wildcard(reader: &mut Reader<'_>) -> Result<Test, String> {
    let text = string(reader, "wildcard")?;
    let mut parts = vec![String::new()];
    let mut chars = text.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        let literal = match c {
            '*' if chars.peek().is_some_and(|(_, next)| *next == '*') => {
                return Err(reader.fault(format_args!("Consecutive wildcard characters at pos {at}")));
            }
            '*' => {
                parts.push(String::new());
                continue;
            }
            '\\' => match chars.next() {
                Some((_, escaped @ ('*' | '\\'))) => escaped,
                _ => return Err(reader.fault(format_args!("Invalid escape character at pos {at}"))),
            },
            c => c,
        };
        if let Some(part) = parts.last_mut() {
            part.push(literal);
        }
    }
    Ok(Test::Wildcard(Wildcard(parts)))
}

fn anything_but(reader: &mut Reader<'_>) -> Result<Test, String> {
    let tests = match reader.next() {
        Token::Text => vec![Test::Exact(Datum::Text(reader.text()))],
        Token::Number(number) => vec![Test::Exact(Datum::Number(number))],
        Token::StartArray => anything_but_list(reader)?,
        Token::StartObject => vec![anything_but_pattern(reader)?],
        _ => {
            return Err(reader.fault("Value of anything-but must be an array or single string/number value."));
        }
    };
    Ok(Test::AnythingBut(tests))
}

fn anything_but_list(reader: &mut Reader<'_>) -> Result<Vec<Test>, String> {
    let mut tests = Vec::new();
    let (mut texts, mut numbers) = (false, false);
    loop {
        match reader.next() {
            Token::EndArray => break,
            Token::Text => {
                texts = true;
                tests.push(Test::Exact(Datum::Text(reader.text())));
            }
            Token::Number(number) => {
                numbers = true;
                tests.push(Test::Exact(Datum::Number(number)));
            }
            _ => {
                return Err(reader.fault("Inside anything but list, start|null|boolean is not supported."));
            }
        }
    }
    if texts && numbers {
        return Err(reader.fault(
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ));
    }
    if tests.is_empty() {
        return Err(reader.fault("Empty arrays are not allowed"));
    }
    Ok(tests)
}

/// Reads the object under `anything-but`. AWS refuses `suffix` here (recorded); `wildcard` and
/// `equals-ignore-case` are accepted as event patterns have them.
fn anything_but_pattern(reader: &mut Reader<'_>) -> Result<Test, String> {
    let Token::Field(name) = reader.next() else {
        return Err(reader.fault("Anything-But expression name not found"));
    };
    let test = match name.as_str() {
        "prefix" => {
            let text = string(reader, "prefix")?;
            if text.is_empty() {
                return Err(reader.fault("Null prefix not allowed"));
            }
            Test::Prefix(text)
        }
        "equals-ignore-case" => Test::IgnoreCase(string(reader, "equals-ignore-case")?),
        "wildcard" => wildcard(reader)?,
        _ => return Err(reader.fault(format_args!("Unsupported anything-but pattern: {name}"))),
    };
    one_key(reader)?;
    Ok(test)
}

fn numeric(reader: &mut Reader<'_>) -> Result<Test, String> {
    if reader.next() != Token::StartArray {
        return Err(reader.fault("Value of numeric must be an array."));
    }
    if reader.next() != Token::Text {
        let text = reader.text();
        return Err(reader.fault(format_args!("Invalid member in numeric match: {text}")));
    }
    let operator = reader.text();
    let token = reader.next();
    let shown = match operator.as_str() {
        "=" => "equals",
        ">" | ">=" | "<" | "<=" => operator.as_str(),
        _ => return Err(reader.fault(format_args!("Unrecognized numeric range operator: {operator}"))),
    };
    let Token::Number(value) = token else {
        return Err(reader.fault(format_args!("Value of {shown} must be numeric")));
    };
    let open = !operator.ends_with('=');
    let range = match operator.as_str() {
        "=" => Range { bottom: Some((value, false)), top: Some((value, false)) },
        "<" | "<=" => Range { bottom: None, top: Some((value, open)) },
        _ => {
            let top = match reader.next() {
                Token::EndArray => None,
                token => Some(numeric_top(reader, &token, value)?),
            };
            return Ok(Test::Numeric(Range { bottom: Some((value, open)), top }));
        }
    };
    match reader.next() {
        Token::EndArray => Ok(Test::Numeric(range)),
        _ => Err(reader.fault("Too many elements in numeric expression")),
    }
}

/// Reads the second half of a two-sided range, to the closing bracket.
fn numeric_top(reader: &mut Reader<'_>, token: &Token, bottom: f64) -> Result<(f64, bool), String> {
    let text = reader.text();
    if *token != Token::Text {
        return Err(reader.fault(format_args!("Bad value in numeric range: {text}")));
    }
    if text != "<" && text != "<=" {
        return Err(reader.fault(format_args!("Bad numeric range operator: {text}")));
    }
    let Token::Number(top) = reader.next() else {
        return Err(reader.fault(format_args!("Value of {text} must be numeric")));
    };
    if reader.next() != Token::EndArray {
        return Err(reader.fault("Too many terms in numeric range expression"));
    }
    if bottom >= top {
        return Err(reader.fault("Bottom must be less than top"));
    }
    Ok((top, text == "<"))
}
