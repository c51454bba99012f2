//! Regular expressions on the parts of templates: a match that can hold no byte of a static part lies
//! between two such bytes, so that the variable there is looked at instead of the whole message.

use super::column::Form;
use super::gather::Gather;
use super::mask::union;
use super::matcher::Matcher;
use crate::lend::Templates;

/// Columns of a template that are read before the messages are.
const COLUMNS: usize = 3;

/// A variable and the static text around it, up to the next bytes that no match holds.
struct Segment<'t> {
    before: &'t str,
    column: u32,
    after: &'t str,
}

impl Segment<'_> {
    fn fill(&self, value: &str, into: &mut String) {
        into.clear();
        into.push_str(self.before);
        into.push_str(value);
        into.push_str(self.after);
    }

    /// Whether some value may contain one of the texts.
    fn may_hold(&self, texts: &[String], templates: &dyn Templates) -> bool {
        let facts = templates.facts(self.column);
        let around =
            |byte: u8| self.before.as_bytes().contains(&byte) || self.after.as_bytes().contains(&byte);
        texts.iter().any(|text| text.bytes().all(|byte| facts.may_hold(byte) || around(byte)))
    }

    /// Whether some of the few known values matches; true if they are not known.
    fn may_match(&self, matcher: &Matcher, templates: &dyn Templates) -> bool {
        let mut scratch = String::new();
        templates.values(self.column).is_none_or(|values| {
            values.iter().any(|value| {
                self.fill(value, &mut scratch);
                matcher.is_match(&scratch)
            })
        })
    }
}

/// Where a match can lie in messages of one template.
enum Plan<'t> {
    /// Every message has one.
    Always,
    In(Vec<Segment<'t>>),
}

/// None: matches may reach over several variables, or too many columns are in question.
fn plan<'t>(templates: &'t dyn Templates, template: usize, matcher: &Matcher) -> Option<Plan<'t>> {
    let alphabet = matcher.alphabet()?;
    let foreign = |byte: &u8| byte.is_ascii() && alphabet[usize::from(byte / 64)] >> (byte % 64) & 1 == 0;
    let columns = templates.columns(template);
    let mut segments = Vec::new();
    let mut before = "";
    for part in 0..=columns.len() {
        let text = templates.part(template, part);
        if matcher.is_match(text) {
            return Some(Plan::Always);
        }
        let first = text.as_bytes().iter().position(&foreign);
        let last = text.as_bytes().iter().rposition(&foreign);
        if part > 0 {
            let inner = part < columns.len();
            let after = match first {
                Some(first) => &text[..first],
                None if inner => return None,
                None => text,
            };
            segments.push(Segment { before, column: columns[part - 1], after });
        }
        before = last.map_or(text, |last| &text[last + 1..]);
    }
    let texts = matcher.any_of()?;
    segments.retain(|segment| segment.may_hold(texts, templates) && segment.may_match(matcher, templates));
    (segments.len() <= COLUMNS).then_some(Plan::In(segments))
}

impl Gather<'_, '_> {
    /// Those of the candidates whose message matches. None: it takes the messages to tell.
    pub(super) fn matching(&self, matcher: &Matcher, candidates: &[u32]) -> Option<Vec<u32>> {
        let of_rows = self.templates.of_rows();
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); self.templates.len()];
        for row in candidates {
            members[of_rows.map_or(0, |list| usize::from(list[self.rows.at(*row)]))].push(*row);
        }
        let mut found: Vec<u32> = Vec::new();
        for (template, mut rows) in members.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            match plan(self.templates, template, matcher)? {
                Plan::Always => found = union(&found, &rows),
                Plan::In(segments) => {
                    for segment in segments {
                        let flags = self.flags(&segment, matcher, &rows);
                        let with = |flag: bool| {
                            let pairs = rows.iter().zip(&flags).filter(move |(_, f)| **f == flag);
                            pairs.map(|(row, _)| *row).collect::<Vec<u32>>()
                        };
                        found = union(&found, &with(true));
                        rows = with(false);
                    }
                }
            }
        }
        Some(found)
    }

    fn flags(&self, segment: &Segment<'_>, matcher: &Matcher, rows: &[u32]) -> Vec<bool> {
        let values = self.values(segment.column, Form::Raw, Some(rows));
        let mut scratch = String::new();
        let mut matches = |row: usize| {
            let text = values.get(row).text().unwrap_or_default();
            if segment.before.is_empty() && segment.after.is_empty() {
                return matcher.is_match(&text);
            }
            segment.fill(&text, &mut scratch);
            matcher.is_match(&scratch)
        };
        (0..rows.len()).map(&mut matches).collect()
    }
}
