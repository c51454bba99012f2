//! Owns one evaluation of an alarm, as a function of its arguments. Refuses to fetch points, to read the clock and
//! to act.

use crate::alarm::evidence;
use crate::alarm::missing::{self, Decision, Verdict};
use crate::alarm::reason;
use crate::alarm::spec::AlarmSpec;
use crate::alarm::state::{AlarmState, EvaluationState, StateValue};
use crate::alarm::window::{self, Slot};
use crate::point::{EventReference, StoredPoint};

/// When an evaluation happens, and on how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The tick: complete periods up to here count. Recorded, so that the evaluation can be repeated.
    pub tick_ms: i64,
    /// The time it really is; dates the state.
    pub now_ms: i64,
    /// Not all events before the tick had been read (see [`crate::tick::readiness`]).
    pub partial: bool,
}

impl Moment {
    /// An evaluation at this very time, on all data.
    pub fn at(now_ms: i64) -> Moment {
        Moment { tick_ms: now_ms, now_ms, partial: false }
    }
}

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The end of the evaluation range.
    pub watermark_ms: i64,
    /// The periods looked at, newest first.
    pub slots: Vec<Slot>,
    /// How the state was decided.
    pub decision: Decision,
    /// The decision was set aside: a counted datapoint had too few samples, and the alarm ignores those.
    pub too_few_samples: bool,
    /// The state from now on. Equal to the previous one if nothing changed.
    pub state: AlarmState,
    /// Set if the state has another value than before.
    pub transition: Option<Transition>,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The state before.
    pub old: AlarmState,
    /// The state now.
    pub new: AlarmState,
    /// The events behind the breaching datapoints, at most [`evidence::EVENTS_MAX`].
    pub events: Vec<EventReference>,
}

/// Evaluates an alarm over the points of its metric. Points outside the evaluation range (see
/// [`window::range`]) are passed over, and the order of points does not matter.
pub fn evaluate(
    spec: &AlarmSpec,
    points: &[StoredPoint],
    previous: &AlarmState,
    moment: Moment,
) -> Evaluation {
    let watermark_ms = window::watermark_ms(spec, moment.tick_ms);
    let slots = window::slots(spec, points, watermark_ms);
    let verdicts: Vec<Verdict> = slots.iter().map(verdict).collect();
    let decision = missing::decide(&verdicts, spec.m(), spec.n(), spec.treatment());
    let too_few_samples = has_too_few_samples(spec, &slots, &decision);
    let to = decision.state.filter(|_| !too_few_samples).unwrap_or(previous.value);
    let evaluation_state = moment.partial.then_some(EvaluationState::PartialData);
    let mut state = previous.clone();
    if evaluation_state != previous.evaluation_state {
        state.evaluation_state = evaluation_state;
        state.updated_ms = moment.now_ms;
    }
    let transition = (to != previous.value).then(|| {
        state = AlarmState {
            value: to,
            reason: reason::reason(spec, &slots, &decision, to),
            reason_data: Some(reason::reason_data(spec, &slots, &decision, to, moment.now_ms)),
            updated_ms: moment.now_ms,
            transitioned_ms: moment.now_ms,
            evaluation_state,
        };
        let events = if to == StateValue::Alarm { evidence::choose(&slots, &decision) } else { Vec::new() };
        Transition { old: previous.clone(), new: state.clone(), events }
    });
    Evaluation { watermark_ms, slots, decision, too_few_samples, state, transition }
}

fn verdict(slot: &Slot) -> Verdict {
    match &slot.datapoint {
        Some(datapoint) if datapoint.breaching => Verdict::Breaching,
        Some(_) => Verdict::Fine,
        None => Verdict::Missing,
    }
}

fn has_too_few_samples(spec: &AlarmSpec, slots: &[Slot], decision: &Decision) -> bool {
    let Some(needed) = spec.samples_needed() else { return false };
    let counted = decision.counted.iter().filter_map(|index| slots[*index].datapoint.as_ref());
    counted.into_iter().any(|datapoint| datapoint.sample_count < needed)
}

#[cfg(test)]
mod tests;
