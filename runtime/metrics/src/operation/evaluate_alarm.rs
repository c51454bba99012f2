//! Owns the two halves of an evaluation over records: look (reads), and commit (writes state and history). Between
//! them the caller fetches the evidence lines, which takes I/O. Refuses to notify: the caller writes its outbox rows
//! in the transaction of the commit.

use crate::alarm::evaluate::{Evaluation, Moment, evaluate};
use crate::alarm::history::HistoryItem;
use crate::alarm::message::EvidenceLine;
use crate::alarm::window;
use crate::records::{AlarmRecord, Reads, Records};

/// Evaluates an alarm over the points of its metric as they are now.
pub fn look<R: Reads>(records: &mut R, alarm: &AlarmRecord, moment: Moment) -> Result<Evaluation, R::Error> {
    let range = window::range(&alarm.spec, window::watermark_ms(&alarm.spec, moment.tick_ms));
    let points = match records.series(&alarm.scope, &alarm.spec.metric.key())? {
        Some(series) => records.points(series.id, range.start_ms, range.end_ms)?,
        None => Vec::new(),
    };
    Ok(evaluate(&alarm.spec, &points, &alarm.state, moment))
}

/// Keeps the outcome, if the alarm is still the one that was looked at: `false` means that it was deleted, put again
/// or set meanwhile, and nothing was written; then look again. On `true` with a transition, the actions are due.
pub fn commit<R: Records>(
    records: &mut R,
    looked_at: &AlarmRecord,
    evaluation: &Evaluation,
    lines: &[EvidenceLine],
) -> Result<bool, R::Error> {
    let Some(mut alarm) = records.alarm(&looked_at.scope, &looked_at.spec.name)? else { return Ok(false) };
    if alarm != *looked_at {
        return Ok(false);
    }
    alarm.state = evaluation.state.clone();
    alarm.evaluated_ms = evaluation.watermark_ms.max(alarm.evaluated_ms);
    records.put_alarm(&alarm)?;
    if let Some(change) = &evaluation.transition {
        records.append_history(&alarm.scope, &HistoryItem::transition(&alarm.spec.name, change, lines))?;
    }
    Ok(true)
}
