//! Owns whom a function tells how an asynchronous call ended: its event invoke configuration, its dead letter
//! target, AWS's record of an invocation. Everything told is written to the outbox in the change that ends the call.
//! Refuses to know when calls are tried (`deliver`) and to run functions.

use chrono::DateTime;
use deliver::attribute::MessageAttribute;
use deliver::message::Message;
use deliver::outbox::{AppendRecord, InvokeRecord, Patience};
use deliver::{OutboxRecord, Records as _, Step};
use serde_json::{Value, json};
use wasm::{LATEST, Records as _};

use super::{invoker, resolve};
use crate::meta::{MetaError, Tx};
use crate::outbox::{Outbox, Refused};
use crate::records::{Scope, groups};

/// Bytes of a record for a topic, as SNS has it, ...
const TOPIC_BYTES_MAX: usize = 256 << 10;

/// ... and for a function or a log group: what an asynchronous call and a log event may hold.
const RECORD_BYTES_MAX: usize = 1_000_000;

/// Bytes of the message attribute that says why, as AWS has it.
const REASON_BYTES_MAX: usize = 1 << 10;

/// Where an ARN leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination<'a> {
    /// A topic of this scope.
    Topic,
    /// A function of this scope, with a qualifier if there is one.
    Function(&'a str),
    /// A log group of this scope.
    LogGroup(&'a str),
}

impl<'a> Destination<'a> {
    /// Reads the ARN of something that can be told.
    ///
    /// # Errors
    /// A sentence that names what cannot be.
    pub(crate) fn parse(scope: &Scope, arn: &'a str) -> Result<Destination<'a>, String> {
        let mut parts = arn.splitn(6, ':');
        let [prefix, _partition, service, region, account, resource] =
            [(); 6].map(|()| parts.next().unwrap_or_default());
        if prefix != "arn" || service.is_empty() {
            return Err(format!("{arn} is not an ARN."));
        }
        let destination = match service {
            "sns" => Destination::Topic,
            "lambda" => match resource.strip_prefix("function:") {
                Some(function) => Destination::Function(function),
                None => return Err(format!("{arn} is not the ARN of a function.")),
            },
            "logs" => match resource.strip_prefix("log-group:") {
                Some(name) => Destination::LogGroup(name.strip_suffix(":*").unwrap_or(name)),
                None => return Err(format!("{arn} is not the ARN of a log group.")),
            },
            other => {
                return Err(format!(
                    "Destinations of the service {other} are not served by Logboom: use the ARN of an SNS topic, a \
                     log group or a function."
                ));
            }
        };
        if region != scope.region || account != scope.account {
            return Err(format!("{arn} is of another account or region."));
        }
        Ok(destination)
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// Storage failures.
    pub(crate) fn exists(self, tx: &mut Tx<'_>, scope: &Scope, arn: &str) -> Result<bool, MetaError> {
        Ok(match self {
            Destination::Topic => tx.topic_by_arn(arn)?.is_some(),
            Destination::Function(function) => !resolve::all(tx, scope, function)?.is_empty(),
            Destination::LogGroup(name) => groups::find(tx, scope, name)?.is_some(),
        })
    }
}

/// What one try of an asynchronous call came to, and whom its function tells of the end.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    scope: Scope,
    function_arn: String,
    stream: String,
    /// How often and how long it is tried.
    pub(super) patience: Patience,
    on_success: Option<String>,
    on_failure: Option<String>,
    dead_letter: Option<String>,
    payload: String,
    hop: u32,
    /// The version that ran and what it answered, if one did.
    pub(super) executed: Option<Executed>,
}

/// A function's answer.
#[derive(Clone, Debug)]
pub(super) struct Executed {
    pub(super) version: String,
    pub(super) failed: bool,
    pub(super) response: Value,
}

impl Told {
    /// What holds for a call of `function` (`NAME` or `NAME:QUALIFIER`) now; `None` when there is no such function.
    ///
    /// # Errors
    /// Storage failures.
    pub(super) fn of(
        tx: &mut Tx<'_>,
        scope: &Scope,
        function: &str,
        call: &deliver::lambda::Invocation<'_>,
    ) -> Result<Option<Told>, MetaError> {
        let (name, qualifier) = resolve::split(function);
        let qualifier = qualifier.unwrap_or(LATEST);
        let Some(record) = resolve::find(tx, scope, function, call.idempotency_key)? else { return Ok(None) };
        let said = tx.event_invoke(record.id, qualifier)?.unwrap_or_default();
        let usual = Patience::default();
        let age_max_ms = said.age_max_s.map(|seconds| i64::from(seconds) * 1_000);
        Ok(Some(Told {
            scope: scope.clone(),
            function_arn: format!(
                "arn:aws:lambda:{}:{}:function:{name}:{qualifier}",
                scope.region, scope.account
            ),
            stream: name.to_owned(),
            patience: Patience {
                retries_max: said.retries_max.unwrap_or(usual.retries_max),
                age_max_ms: age_max_ms.unwrap_or(usual.age_max_ms),
            },
            on_success: said.on_success,
            on_failure: said.on_failure,
            dead_letter: (!record.dead_letter_arn.is_empty()).then_some(record.dead_letter_arn),
            payload: call.payload.to_owned(),
            hop: call.hop,
            executed: None,
        }))
    }

    /// How its calls are tried.
    pub(crate) fn patience(&self) -> Patience {
        self.patience
    }

    /// Writes what is told when `step` is an end, and gives the step that is left: a failure that somebody was told
    /// of leaves no dead letter. Call [`Outbox::nudge`] after the commit.
    ///
    /// # Errors
    /// Storage failures.
    pub(crate) fn tell(
        &self,
        outbox: &Outbox,
        tx: &mut Tx<'_>,
        (record, now_ms): (&OutboxRecord, i64),
        step: Step,
    ) -> Result<Step, MetaError> {
        let key = &record.key;
        match step {
            Step::Retry(_) => Ok(step),
            Step::Done => {
                if let Some(arn) = &self.on_success {
                    let said = self.record(record, "Success", record.attempt + 1, now_ms);
                    self.write(outbox, tx, arn, (said, &format!("{key}/on-success")))?;
                }
                Ok(step)
            }
            Step::Dead(letter) => {
                let mut heard = false;
                if let Some(arn) = &self.on_failure {
                    let condition = if letter.expired { "EventAgeExceeded" } else { "RetriesExhausted" };
                    let said = self.record(record, condition, letter.record.attempt, now_ms);
                    heard |= self.write(outbox, tx, arn, (said, &format!("{key}/on-failure")))?;
                }
                if let Some(arn) = &self.dead_letter {
                    heard |= self.bury(outbox, tx, arn, (record, &letter.error, now_ms))?;
                }
                Ok(if heard { Step::Done } else { Step::Dead(letter) })
            }
        }
    }

    /// AWS's record of an invocation.
    fn record(&self, call: &OutboxRecord, condition: &str, tries: u32, now_ms: i64) -> Value {
        let time = DateTime::from_timestamp_millis(now_ms).unwrap_or_default();
        let mut record = json!({
            "version": "1.0",
            "timestamp": time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            "requestContext": {
                "requestId": call.key,
                "functionArn": self.function_arn,
                "condition": condition,
                "approximateInvokeCount": tries,
            },
            "requestPayload": parsed(&self.payload),
        });
        if let Some(executed) = &self.executed {
            record["responseContext"] = json!({ "statusCode": 200, "executedVersion": executed.version });
            if executed.failed {
                record["responseContext"]["functionError"] = "Unhandled".into();
            }
            record["responsePayload"] = executed.response.clone();
        }
        record
    }

    /// Tells one receiver; whether it will hear.
    fn write(
        &self,
        outbox: &Outbox,
        tx: &mut Tx<'_>,
        arn: &str,
        (said, key): (Value, &str),
    ) -> Result<bool, MetaError> {
        let owner = (self.scope.account.as_str(), self.scope.region.as_str());
        let written = match Destination::parse(&self.scope, arn) {
            Err(reason) => return Ok(self.unheard(arn, &reason)),
            Ok(Destination::Topic) => {
                let text = fitting(said, TOPIC_BYTES_MAX);
                self.publish(outbox, tx, arn, |message| Message { body: text.clone(), ..message })
            }
            Ok(Destination::Function(_)) => {
                let call = InvokeRecord {
                    function_arn: arn.to_owned(),
                    payload: fitting(said, RECORD_BYTES_MAX),
                    principal: invoker::PRINCIPAL.to_owned(),
                    source_arn: self.function_arn.clone(),
                    hop: self.hop,
                };
                outbox.call_function(tx, owner, call, key)
            }
            Ok(Destination::LogGroup(_)) => {
                let line = AppendRecord {
                    log_group_arn: arn.to_owned(),
                    log_stream: self.stream.clone(),
                    message: fitting(said, RECORD_BYTES_MAX),
                    hop: self.hop,
                };
                outbox.append_line(tx, owner, line, key)
            }
        };
        match written {
            Ok(()) => Ok(true),
            Err(Refused::Refusal(refusal)) => Ok(self.unheard(arn, &refusal.message)),
            Err(Refused::Meta(error)) => Err(error),
        }
    }

    fn unheard(&self, arn: &str, reason: &str) -> bool {
        let function = self.stream.as_str();
        tracing::warn!(function, arn, reason, "a destination cannot be told how a call ended");
        false
    }

    fn publish(
        &self,
        outbox: &Outbox,
        tx: &mut Tx<'_>,
        arn: &str,
        make: impl FnOnce(Message) -> Message,
    ) -> Result<(), Refused> {
        let topic = tx.topic_by_arn(arn)?.ok_or_else(|| deliver::Refusal::not_found("Topic"))?;
        let mut message = make(outbox.plain(arn));
        message.hop = self.hop;
        outbox.fan_out(tx, &topic, &message)
    }

    /// The dead letter target gets the event itself: a topic with attributes that say why, a log group as the
    /// record of a failure.
    fn bury(
        &self,
        outbox: &Outbox,
        tx: &mut Tx<'_>,
        arn: &str,
        (call, reason, now_ms): (&OutboxRecord, &str, i64),
    ) -> Result<bool, MetaError> {
        let key = format!("{}/dead-letter", call.key);
        match Destination::parse(&self.scope, arn) {
            Ok(Destination::Topic) => {}
            Ok(Destination::Function(_)) => {
                return self.write(outbox, tx, arn, (parsed(&self.payload), &key));
            }
            _ => {
                let said = self.record(call, "RetriesExhausted", call.attempt + 1, now_ms);
                return self.write(outbox, tx, arn, (said, &key));
            }
        }
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        let attribute = |data_type: &str, value: &str| MessageAttribute {
            data_type: data_type.to_owned(),
            value: value.to_owned(),
        };
        let attributes = [
            ("RequestID".to_owned(), attribute("String", &call.key)),
            ("ErrorCode".to_owned(), attribute("Number", "200")),
            ("ErrorMessage".to_owned(), attribute("String", &reason[..end])),
        ];
        let body = if self.payload.len() <= TOPIC_BYTES_MAX {
            self.payload.clone()
        } else {
            omitted(self.payload.len()).to_string()
        };
        let sent = self.publish(outbox, tx, arn, |message| Message {
            body,
            attributes: attributes.into_iter().collect(),
            ..message
        });
        match sent {
            Ok(()) => Ok(true),
            Err(Refused::Refusal(refusal)) => Ok(self.unheard(arn, &refusal.message)),
            Err(Refused::Meta(error)) => Err(error),
        }
    }
}

/// JSON, or the text itself where it is none.
pub(super) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn omitted(bytes: usize) -> Value {
    json!({ "omitted": format!("{bytes} bytes are more than the destination takes") })
}

/// The record as text; payloads that make it too large are left out, which is said in their place.
fn fitting(mut record: Value, bytes_max: usize) -> String {
    for payload in ["responsePayload", "requestPayload"] {
        let text = record.to_string();
        if text.len() <= bytes_max {
            return text;
        }
        if let Some(value) = record.get_mut(payload) {
            *value = omitted(value.to_string().len());
        }
    }
    let text = record.to_string();
    if text.len() <= bytes_max { text } else { omitted(text.len()).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_topics_functions_and_log_groups_of_the_same_scope() {
        let scope = Scope { account: "000000000000".into(), region: "us-east-1".into() };
        let here = |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:000000000000:{rest}");
        assert_eq!(Destination::parse(&scope, &here("sns", "ops")), Ok(Destination::Topic));
        assert_eq!(
            Destination::parse(&scope, &here("lambda", "function:f:live")),
            Ok(Destination::Function("f:live"))
        );
        assert_eq!(
            Destination::parse(&scope, &here("logs", "log-group:/a/b:*")),
            Ok(Destination::LogGroup("/a/b"))
        );
        for (arn, named) in [
            (here("sqs", "queue"), "sqs"),
            (here("events", "event-bus/x"), "events"),
            ("arn:aws:s3:::bucket".to_owned(), "s3"),
            (here("lambda", "layer:x"), "function"),
            (here("logs", "destination:x"), "log group"),
            ("arn:aws:sns:eu-west-1:000000000000:ops".to_owned(), "another account or region"),
            ("ops".to_owned(), "not an ARN"),
        ] {
            assert!(Destination::parse(&scope, &arn).unwrap_err().contains(named), "{arn}");
        }
    }

    #[test]
    fn a_record_that_is_too_large_says_what_it_leaves_out() {
        let record = |request: usize, response: usize| {
            json!({
                "requestContext": {"condition": "Success"},
                "requestPayload": "x".repeat(request),
                "responsePayload": "y".repeat(response),
            })
        };
        let kept = |request, response| {
            let text = fitting(record(request, response), 500);
            assert!(text.len() <= 500);
            let read: Value = serde_json::from_str(&text).unwrap();
            ["requestPayload", "responsePayload"].map(|name| read[name].is_string())
        };
        assert_eq!(kept(10, 10), [true, true]);
        assert_eq!(kept(10, 900), [true, false]);
        assert_eq!(kept(900, 10), [false, false]);
    }
}
