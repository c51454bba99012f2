//! Owns what a transition causes: rows in the outbox, and items that say so in the alarm's history, all in the
//! transaction of the transition. Refuses to send.

use std::collections::BTreeSet;

use deliver::outbox::InvokeRecord;
use metrics::alarm::Transition;
use metrics::alarm::action::Action;
use metrics::alarm::history::HistoryItem;
use metrics::alarm::message::{self, EvidenceLine};
use metrics::records::{AlarmRecord, Records};

use crate::meta::{MetaError, Tx};
use crate::outbox::{Outbox, Refused};

/// Who calls a function as an alarm action, as resource policies name it.
const PRINCIPAL: &str = "lambda.alarms.cloudwatch.amazonaws.com";

/// Writes the actions of the new state, if they are enabled. An action that cannot be carried out (its topic is
/// gone) is an item in the history and stops no other. Call [`Outbox::nudge`] after the commit.
///
/// # Errors
/// Storage failures.
pub(crate) fn write(
    outbox: &Outbox,
    tx: &mut Tx<'_>,
    alarm: &AlarmRecord,
    change: &Transition,
    lines: &[EvidenceLine],
    now_ms: i64,
) -> Result<(), MetaError> {
    let mut done = BTreeSet::new();
    for arn in alarm.spec.actions(change.new.value) {
        // An ARN listed twice acts once, as in AWS.
        if !done.insert(arn) {
            continue;
        }
        let failure = match act(outbox, tx, alarm, (arn, change, lines)) {
            Ok(()) => None,
            Err(Refused::Refusal(refusal)) => Some(refusal.message),
            Err(Refused::Meta(error)) => return Err(error),
        };
        let item =
            HistoryItem::action(&alarm.spec.name, now_ms, change.new.updated_ms, arn, failure.as_deref());
        tx.append_history(&alarm.scope, &item)?;
    }
    Ok(())
}

fn act(
    outbox: &Outbox,
    tx: &mut Tx<'_>,
    alarm: &AlarmRecord,
    (arn, change, lines): (&str, &Transition, &[EvidenceLine]),
) -> Result<(), Refused> {
    let (spec, scope) = (&alarm.spec, &alarm.scope);
    match Action::parse(arn) {
        Ok(Action::Topic(topic)) => {
            let notice = message::sns(spec, scope, alarm.configured_ms, change, lines);
            outbox.notify(tx, &topic, Some(&notice.subject), &notice.message)
        }
        Ok(Action::Function(function_arn)) => {
            let call = InvokeRecord {
                function_arn,
                payload: message::lambda(spec, scope, change, lines),
                principal: PRINCIPAL.to_owned(),
                source_arn: spec.arn(scope),
                hop: 0,
            };
            let key = format!("alarm-{}-{}-{arn}", alarm.id, change.new.updated_ms);
            outbox.call_function(tx, (&scope.account, &scope.region), call, &key)
        }
        // PutMetricAlarm takes no other; one from a later version must not stop the rest.
        Err(fault) => Err(deliver::Refusal::new("InvalidParameter", fault.message).into()),
    }
}
