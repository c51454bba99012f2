//! `application/x-www-form-urlencoded`: parameters sorted by name, and AWS query's spelling of structures,
//! lists and maps read from them along a shape. Allocates in proportion to the body, whatever the names say.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::model::{Kind, Shape};
use crate::scalar;

/// Parameters of a form or a query string, sorted by name; the first of two with one name counts.
#[derive(Debug)]
pub(crate) struct Form<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Form<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Form<'a>, Fault> {
        let mut pairs = Vec::new();
        for part in body.split(|&byte| byte == b'&').filter(|part| !part.is_empty()) {
            let at = part.iter().position(|&byte| byte == b'=');
            let (name, value) = at.map_or((part, &part[..0]), |at| (&part[..at], &part[at + 1..]));
            pairs.push((decoded(name)?, decoded(value)?));
        }
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        Ok(Form { pairs })
    }

    /// Every value of `name` in a query string, in order: a list is sent as one parameter many times.
    pub(crate) fn values(query: &'a str, name: &str) -> Result<Vec<Cow<'a, str>>, Fault> {
        let mut found = Vec::new();
        for part in query.split('&') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            if decoded(key.as_bytes())? == name {
                found.push(decoded(value.as_bytes())?);
            }
        }
        Ok(found)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let at = self.pairs.binary_search_by(|(key, _)| key.as_ref().cmp(name)).ok()?;
        Some(&self.pairs[at].1)
    }

    /// The parameters whose names start with `prefix`.
    fn under(&self, prefix: &str) -> &[(Cow<'a, str>, Cow<'a, str>)] {
        let start = self.pairs.partition_point(|(key, _)| key.as_ref() < prefix);
        let count = self.pairs[start..].partition_point(|(key, _)| key.starts_with(prefix));
        &self.pairs[start..start + count]
    }

    /// The value of `shape` at `path` (empty for the whole input); `None` where no parameter speaks of it.
    pub(crate) fn read(&self, shape: &Shape, path: &str) -> Result<Option<Value>, Fault> {
        match shape.kind {
            Kind::Structure(members) => {
                let mut object = Map::new();
                for member in members {
                    if let Some(value) = self.read(member.shape, &joined(path, member.name))? {
                        object.insert(member.name.to_owned(), value);
                    }
                }
                let named = path.is_empty() || !object.is_empty() || self.get(path).is_some();
                Ok(named.then_some(Value::Object(object)))
            }
            Kind::List(element) => {
                let prefix = format!("{path}.member.");
                let mut items = Vec::new();
                for index in self.indices(&prefix) {
                    items.push(self.read(element, &format!("{prefix}{index}"))?.unwrap_or(Value::Null));
                }
                // An empty list is sent as `Name=`.
                let named = !items.is_empty() || self.get(path).is_some();
                Ok(named.then_some(Value::Array(items)))
            }
            Kind::Map { key: _, value, key_name, value_name } => {
                let prefix = format!("{path}.entry.");
                let mut object = Map::new();
                for index in self.indices(&prefix) {
                    let key = self.get(&format!("{prefix}{index}.{key_name}")).unwrap_or_default().to_owned();
                    let item = self.read(value, &format!("{prefix}{index}.{value_name}"))?;
                    object.insert(key, item.unwrap_or(Value::Null));
                }
                let named = !object.is_empty() || self.get(path).is_some();
                Ok(named.then_some(Value::Object(object)))
            }
            _ => self.get(path).map(|text| scalar::from_text(shape, text, path)).transpose(),
        }
    }

    /// The numbers that follow `prefix`, ascending. Spellings like `01` are not numbers here.
    fn indices(&self, prefix: &str) -> Vec<u32> {
        let mut found: Vec<u32> = self
            .under(prefix)
            .iter()
            .filter_map(|(key, _)| {
                let digits = key[prefix.len()..].split('.').next()?;
                digits.parse().ok().filter(|index: &u32| index.to_string() == digits)
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn decoded(text: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let malformed = |_| Fault::new("MalformedQueryString", "The form is not valid UTF-8.");
    if !text.iter().any(|&byte| byte == b'%' || byte == b'+') {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(malformed);
    }
    let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    let bytes: Vec<u8> = percent_decode(&spaced).collect();
    String::from_utf8(bytes).map(Cow::Owned).map_err(|error| malformed(error.utf8_error()))
}

#[cfg(test)]
mod tests;
