//! Where the wanted fields stand in the messages of a template, found once for all of them by the
//! same scanner that reads messages. What cannot be said for all of them is left to the messages.

use std::sync::Arc;

use hashbrown::HashMap;

use super::json::{lend, scalars};
use super::{Kind, MAX_FIELDS, Wanted};
use crate::lend::Templates;
use crate::run::column::Form;
use crate::run::gather::Source;
use crate::value::json::Scalar;

/// Stands for a variable in a template's text; no strict JSON holds it.
const SLOT: char = '\u{1}';

/// Templates remembered by one execution.
const REMEMBERED: usize = 4096;

/// A wanted field in every message of a template.
#[derive(Debug, Clone)]
enum Place {
    Absent,
    Static(crate::value::Value),
    Slot(usize, Form),
}

/// One place per wanted field; None: the messages must be read.
type Layout = Option<Arc<[Place]>>;

/// The templates seen so far, by their text.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    known: HashMap<Box<str>, Layout>,
    text: String,
}

impl Layouts {
    /// Where each wanted field comes from: `[field][template]`.
    pub(crate) fn sources(
        &mut self,
        wanted: &Wanted,
        kind: Kind,
        templates: &dyn Templates,
    ) -> Vec<Vec<Source>> {
        let count = templates.len();
        let mut sources = vec![vec![Source::Absent; count]; wanted.names.len()];
        for template in 0..count {
            let layout = if templates.is_object(template) {
                self.layout(wanted, templates, template)
            } else if wanted.may_stand_in(kind, templates, template) {
                None
            } else {
                continue;
            };
            for (field, sources) in sources.iter_mut().enumerate() {
                sources[template] = match layout.as_ref().map(|places| &places[field]) {
                    None => Source::Messages,
                    Some(Place::Absent) => Source::Absent,
                    Some(Place::Static(value)) => Source::Static(value.clone()),
                    Some(Place::Slot(slot, form)) => {
                        Source::Column(templates.columns(template)[*slot], *form)
                    }
                };
            }
        }
        sources
    }

    fn layout(&mut self, wanted: &Wanted, templates: &dyn Templates, template: usize) -> Layout {
        let columns = templates.columns(template);
        // A column that stands twice in a message has more values than rows.
        if columns.iter().enumerate().any(|(at, column)| columns[..at].contains(column)) {
            return None;
        }
        self.text.clear();
        for part in 0..=columns.len() {
            if part > 0 {
                self.text.push(SLOT);
            }
            self.text.push_str(templates.part(template, part));
        }
        if let Some(layout) = self.known.get(self.text.as_str()) {
            return layout.clone();
        }
        let layout = wanted.places(&self.text, columns.len());
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(self.text.as_str().into(), layout.clone());
        layout
    }
}

impl Wanted {
    /// Reads a template as a message in which every variable is a zero.
    fn places(&self, template: &str, slots: usize) -> Layout {
        let at: Vec<usize> = template.match_indices(SLOT).map(|(at, _)| at).collect();
        if at.len() != slots {
            return None;
        }
        let text = template.replace(SLOT, "0");
        let start = super::json_start(&text)?;
        let found = scalars(&text, start, true, MAX_FIELDS + 1)?;
        if found.len() > MAX_FIELDS {
            return None;
        }
        let mut matched = 0;
        let mut fields: Vec<(&str, Place)> = Vec::with_capacity(found.len());
        for (path, scalar) in &found {
            let place = place(&text, *scalar, &at);
            matched += usize::from(matches!(place, Place::Slot(..)));
            fields.push((path, place));
        }
        fields.sort_by_key(|(path, _)| *path);
        let doubled = fields.windows(2).any(|pair| pair[0].0 == pair[1].0);
        if matched != slots || doubled {
            return None;
        }
        let mut places = vec![Place::Absent; self.names.len()];
        for (field, path) in self.paths.list() {
            if let Ok(found) = fields.binary_search_by_key(&path.as_str(), |(path, _)| *path) {
                places[*field] = fields[found].1.clone();
            }
        }
        Some(places.into())
    }

    /// Whether a message that is no JSON object may have one of the wanted fields all the same, or may
    /// be an object after all.
    fn may_stand_in(&self, kind: Kind, templates: &dyn Templates, template: usize) -> bool {
        let columns = templates.columns(template);
        let brace = |column: &u32| templates.facts(*column).may_hold(b'{');
        let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
        for part in 0..=columns.len() {
            if part > 0 && brace(&columns[part - 1]) {
                return true;
            }
            match templates.part(template, part).as_bytes().iter().find(|b| !is_space(b)) {
                Some(b'{') => return true,
                Some(_) => break,
                None => {}
            }
        }
        match kind {
            Kind::Lambda => {
                let open = |part| memchr::memchr(b'{', templates.part(template, part).as_bytes()).is_some();
                let fragment = || columns.iter().any(brace) || (0..=columns.len()).any(open);
                self.lambda || (!self.paths.list().is_empty() && fragment())
            }
            Kind::Other => self.positional && may_be_record(templates, template),
        }
    }
}

/// Whether a message may be one of the records told apart by position: flow records end in one of three
/// words, query records start with `1.0` and go on with a zone whose name starts with Z.
fn may_be_record(templates: &dyn Templates, template: usize) -> bool {
    let columns = templates.columns(template);
    let start = templates.part(template, 0);
    if start.as_bytes().first().is_some_and(|byte| !byte.is_ascii_digit()) {
        return false;
    }
    let end = templates.part(template, columns.len()).trim_end();
    let flow = end.is_empty() || ["OK", "NODATA", "SKIPDATA"].iter().any(|word| end.ends_with(word));
    let query = match columns.first() {
        Some(first) if start.is_empty() => {
            let facts = templates.facts(*first);
            let spaces = b" \t\n\r\x0c".iter().any(|byte| facts.may_hold(*byte));
            // An empty first word makes the message start with a blank, which no record does.
            let third = third_word(templates.part(template, 1));
            "1.0".bytes().all(|byte| facts.may_hold(byte))
                && (spaces || third.is_none_or(|word| word.starts_with('Z')))
        }
        _ => start.starts_with("1.0") || "1.0".starts_with(start),
    };
    flow || query
}

/// The start of the third word of a message whose first word is a variable before this text.
fn third_word(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(' ')?;
    if rest.bytes().any(|byte| byte.is_ascii_whitespace() && byte != b' ') {
        return None;
    }
    let mut words = rest.split(' ');
    words.next().filter(|second| !second.is_empty())?;
    words.next().filter(|third| !third.is_empty())
}

fn place(text: &str, scalar: Scalar<'_>, slots: &[usize]) -> Place {
    let (written, form) = match scalar {
        Scalar::Number(token) => (token, Form::Token),
        Scalar::Text(raw) => (raw.written(), Form::Quoted),
        Scalar::Null | Scalar::Bool(_) => return Place::Static(lend(scalar).cell().to_value()),
    };
    let start = written.as_ptr() as usize - text.as_ptr() as usize;
    match slots.binary_search(&start) {
        Ok(slot) if written.len() == 1 => Place::Slot(slot, form),
        _ => Place::Static(lend(scalar).cell().to_value()),
    }
}
