//! Owns Publish and PublishBatch: a checked message becomes outbox rows in one change. Refuses to know what a
//! message must be (`deliver` does) and how it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use deliver::attribute::AttributeInput;
use deliver::message::{self, BatchEntry, Target};
use wire::Fault;
use wire::shape::sns::{
    BatchResultErrorEntry, MessageAttributeValue, PublishBatchInput, PublishBatchRequestEntry,
    PublishBatchResponse, PublishBatchResultEntry, PublishInput, PublishResponse,
};

use super::lookup::{self, Asker};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::outbox::Refused;

pub(super) const OPERATIONS: &[Operation] =
    &[operation!(Sns::Publish => publish), operation!(Sns::PublishBatch => publish_batch)];

async fn publish(app: &Arc<App>, caller: &Caller, request: PublishInput) -> Result<PublishResponse, Fault> {
    let PublishInput { topic_arn, target_arn, phone_number, .. } = &request;
    let target = message::target(topic_arn.as_deref(), target_arn.as_deref(), phone_number.as_deref());
    let Target::Topic(topic_arn) = target.map_err(Refused::from)?;
    let parameter = if request.topic_arn.is_some() { "TopicArn" } else { "TargetArn" };
    let topic_arn = topic_arn.to_owned();
    let input = message::PublishInput {
        message: request.message,
        subject: request.subject,
        structure: request.message_structure,
        attributes: attributes(request.message_attributes),
        group_id: request.message_group_id,
        deduplication_id: request.message_deduplication_id,
    };
    let (asker, outbox) = (Asker::of(caller), Arc::clone(&app.outbox));
    let (id, now_ms) = (app.clock.uuid(), app.clock.now_ms());
    let sent = app.meta.change(move |tx| -> Result<_, Refused> {
        let checked = message::publish(&topic_arn, &input, &id, now_ms)?;
        let topic = lookup::topic(tx, &asker, "Publish", parameter, &topic_arn)?;
        outbox.fan_out(tx, &topic, &checked)?;
        Ok(checked.id)
    });
    let message_id = Some(sent.await?);
    app.outbox.nudge();
    Ok(PublishResponse { message_id, sequence_number: None })
}

async fn publish_batch(
    app: &Arc<App>,
    caller: &Caller,
    request: PublishBatchInput,
) -> Result<PublishBatchResponse, Fault> {
    let entries: Vec<_> = request.publish_batch_request_entries.into_iter().map(entry).collect();
    let ids: Vec<_> = entries.iter().map(|_| app.clock.uuid()).collect();
    let (asker, outbox, now_ms) = (Asker::of(caller), Arc::clone(&app.outbox), app.clock.now_ms());
    let sent = app.meta.change(move |tx| -> Result<_, Refused> {
        let checked = message::publish_batch(&request.topic_arn, &entries, &ids, now_ms)?;
        let topic = lookup::topic(tx, &asker, "Publish", "TopicArn", &request.topic_arn)?;
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (entry, result) in entries.into_iter().zip(checked) {
            match result {
                Ok(message) => {
                    outbox.fan_out(tx, &topic, &message)?;
                    successful.push(PublishBatchResultEntry {
                        id: Some(entry.id),
                        message_id: Some(message.id),
                        sequence_number: None,
                    });
                }
                Err(refused) => failed.push(BatchResultErrorEntry {
                    id: entry.id,
                    code: refused.refusal.code.to_owned(),
                    message: Some(refused.refusal.message),
                    sender_fault: true,
                }),
            }
        }
        Ok(PublishBatchResponse { successful: Some(successful), failed: Some(failed) })
    });
    let sent = sent.await?;
    app.outbox.nudge();
    Ok(sent)
}

fn entry(entry: PublishBatchRequestEntry) -> BatchEntry {
    BatchEntry {
        id: entry.id,
        input: message::PublishInput {
            message: entry.message,
            subject: entry.subject,
            structure: entry.message_structure,
            attributes: attributes(entry.message_attributes),
            group_id: entry.message_group_id,
            deduplication_id: entry.message_deduplication_id,
        },
    }
}

fn attributes(given: Option<BTreeMap<String, MessageAttributeValue>>) -> BTreeMap<String, AttributeInput> {
    let given = given.unwrap_or_default().into_iter();
    let read = |value: MessageAttributeValue| AttributeInput {
        data_type: Some(value.data_type),
        string_value: value.string_value,
        binary_value: value.binary_value,
    };
    given.map(|(name, value)| (name, read(value))).collect()
}
