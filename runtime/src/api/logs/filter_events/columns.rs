//! Owns which rows of a stored block a JSON pattern can match, told by the columns that decide it: of all messages of
//! one make-up and with the same deciding values one is judged. Refuses to know what the pattern says.

use std::sync::Arc;

use pattern::{Document, NoGuests, Pattern};
use store::{Choose, Codes, Column, ColumnBlock, ReadError, Template, Variable};

use crate::utf8::repaired;

/// Messages of one template in a block that are judged at most; with more, all of its rows are read.
const JUDGED_MAX: usize = 256;
/// Combinations of values that are numbered at most.
const NUMBERS_MAX: usize = 1 << 16;
/// A combination that was not met yet.
const NEW: u32 = u32::MAX;

/// Chooses rows for the pattern; `None` where columns tell nothing.
pub(super) fn choice(pattern: &Pattern) -> Option<Choose> {
    let members: Vec<Vec<u8>> =
        pattern.deciding_members()?.into_iter().map(|name| name.as_bytes().to_vec()).collect();
    let pattern = pattern.clone();
    Some(Arc::new(move |block| candidates(&pattern, &members, block)))
}

fn candidates(
    pattern: &Pattern,
    members: &[Vec<u8>],
    block: &ColumnBlock,
) -> Result<Option<Vec<u32>>, ReadError> {
    let Some(templates) = block.templates() else { return Ok(None) };
    let mut rows_of = vec![Vec::new(); templates.len()];
    match block.of_rows()? {
        None => rows_of[0] = (0..block.len() as u32).collect(),
        Some(numbers) => {
            numbers.iter().zip(0..).for_each(|(&template, row)| rows_of[usize::from(template)].push(row));
        }
    }
    let mut found = Vec::new();
    for (template, rows) in templates.iter().zip(rows_of) {
        found.extend(matching(pattern, members, (block, template), rows)?);
    }
    if found.len() == block.len() {
        return Ok(None);
    }
    // Templates take turns.
    found.sort_unstable();
    Ok(Some(found))
}

/// Those of the template's rows that may match.
fn matching(
    pattern: &Pattern,
    members: &[Vec<u8>],
    (block, template): (&ColumnBlock, &Template),
    mut rows: Vec<u32>,
) -> Result<Vec<u32>, ReadError> {
    if !template.json {
        // What was not cut up as an object may be one all the same, if it has a brace.
        return Ok(if may_hold(block, template, b'{') { rows } else { Vec::new() });
    }
    if may_hold(block, template, b'\\') {
        // Names and texts may not be spelled as they are meant.
        return Ok(rows);
    }
    let mut deciding = Vec::new();
    for place in (0..template.columns.len()).filter(|&place| is_member(&template.parts[place], members)) {
        match Values::of(block, template.columns[place])? {
            Some(values) => deciding.push((place, values)),
            None => return Ok(rows),
        }
    }
    // For each row the number of its combination of values, and a row of each combination.
    let mut numbers = vec![0_u32; rows.len()];
    let mut judged: Vec<usize> = if rows.is_empty() { Vec::new() } else { vec![0] };
    for (_, values) in &deciding {
        let codes = values.codes(block, &rows)?;
        let width = codes.iter().max().map_or(0, |&most| usize::from(most) + 1);
        if judged.len() * width > NUMBERS_MAX {
            return Ok(rows);
        }
        let (mut known, mut next) = (vec![NEW; judged.len() * width], Vec::new());
        for (row, (number, code)) in numbers.iter_mut().zip(codes).enumerate() {
            let known = &mut known[*number as usize * width + usize::from(code)];
            if *known == NEW {
                *known = next.len() as u32;
                next.push(row);
            }
            *number = *known;
        }
        if next.len() > JUDGED_MAX {
            return Ok(rows);
        }
        judged = next;
    }
    let verdicts: Vec<bool> = judged
        .into_iter()
        .map(|row| {
            let message = message(template, &deciding, rows[row], block)?;
            Ok(pattern.matches(&Document::new(&repaired(&message)), &mut NoGuests))
        })
        .collect::<Result<_, ReadError>>()?;
    let mut numbers = numbers.iter();
    rows.retain(|_| numbers.next().is_some_and(|&number| verdicts[number as usize]));
    Ok(rows)
}

/// Whether the byte may occur in messages of the template.
fn may_hold(block: &ColumnBlock, template: &Template, byte: u8) -> bool {
    let in_values = |column: &u32| block.facts(*column).is_none_or(|facts| facts.bytes.has(byte));
    template.parts.iter().any(|part| part.contains(&byte)) || template.columns.iter().any(in_values)
}

/// Whether the value behind this part of a JSON object belongs to a member of one of the names.
fn is_member(part: &[u8], members: &[Vec<u8>]) -> bool {
    let blank = |part: &[u8]| part.trim_ascii_end().len();
    let part = part.strip_suffix(b"\"").unwrap_or(part);
    let Some(part) = part[..blank(part)].strip_suffix(b":") else { return false };
    let Some(part) = part[..blank(part)].strip_suffix(b"\"") else { return false };
    members.iter().any(|name| part.strip_suffix(name.as_slice()).is_some_and(|rest| rest.ends_with(b"\"")))
}

/// A message of the template with the deciding values of a row, and nothing in place of all others.
fn message(
    template: &Template,
    deciding: &[(usize, Values)],
    row: u32,
    block: &ColumnBlock,
) -> Result<Vec<u8>, ReadError> {
    let mut message = template.parts[0].clone();
    for (place, part) in template.parts[1..].iter().enumerate() {
        match deciding.iter().find(|(at, _)| *at == place) {
            Some((_, values)) => {
                let at = values.places(block, &[row])?;
                values.column.push_value(at[0], &mut message);
            }
            None if message.ends_with(b"\"") && part.starts_with(b"\"") => {}
            None => message.push(b'0'),
        }
        message.extend_from_slice(part);
    }
    Ok(message)
}

/// A column of which every value has a number.
struct Values {
    number: u32,
    column: Arc<Column>,
}

impl Values {
    /// `None` if its values are not few.
    fn of(block: &ColumnBlock, number: u32) -> Result<Option<Self>, ReadError> {
        let few = |column: &Arc<Column>| {
            matches!(column.variable(), Variable::Constant(_) | Variable::Dictionary { .. })
        };
        Ok(block.variable(number)?.filter(few).map(|column| Self { number, column }))
    }

    /// Which value of the column each row has; all of them have one.
    fn places(&self, block: &ColumnBlock, rows: &[u32]) -> Result<Vec<usize>, ReadError> {
        let Some(having) = block.column_rows(self.number)? else {
            return Ok(rows.iter().map(|&row| row as usize).collect());
        };
        let mut passed = 0;
        let place = |&row: &u32| {
            passed += having[passed..].iter().take_while(|&&other| other < row).count();
            passed
        };
        Ok(rows.iter().map(place).collect())
    }

    fn codes(&self, block: &ColumnBlock, rows: &[u32]) -> Result<Vec<u16>, ReadError> {
        let places = self.places(block, rows)?.into_iter();
        Ok(match self.column.variable() {
            Variable::Dictionary { codes: Codes::U8(codes), .. } => {
                places.map(|place| u16::from(codes[place])).collect()
            }
            Variable::Dictionary { codes: Codes::U16(codes), .. } => {
                places.map(|place| codes[place]).collect()
            }
            _ => vec![0; rows.len()],
        })
    }
}

#[cfg(test)]
mod tests;
