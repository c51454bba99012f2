//! Owns reading and setting attributes of topics and subscriptions. Refuses to know which there are
//! (`deliver` does).

use std::sync::Arc;

use deliver::{Records, records, subscription, topic};
use wire::Fault;
use wire::shape::sns::{
    GetSubscriptionAttributesInput, GetSubscriptionAttributesResponse, GetTopicAttributesInput,
    GetTopicAttributesResponse, SetSubscriptionAttributesInput, SetTopicAttributesInput,
};

use super::lookup::{self, Asker};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::outbox::Refused;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Sns::GetTopicAttributes => get_of_topic),
    operation!(Sns::SetTopicAttributes => set_of_topic),
    operation!(Sns::GetSubscriptionAttributes => get_of_subscription),
    operation!(Sns::SetSubscriptionAttributes => set_of_subscription),
];

async fn get_of_topic(
    app: &Arc<App>,
    caller: &Caller,
    request: GetTopicAttributesInput,
) -> Result<GetTopicAttributesResponse, Fault> {
    let asker = Asker::of(caller);
    let attributes = app.meta.read(|tx| -> Result<_, Refused> {
        let topic = lookup::topic(tx, &asker, "GetTopicAttributes", "TopicArn", &request.topic_arn)?;
        Ok(topic::describe(&topic, records::counts(tx, topic.id)?))
    });
    Ok(GetTopicAttributesResponse { attributes: Some(attributes?) })
}

async fn set_of_topic(
    app: &Arc<App>,
    caller: &Caller,
    request: SetTopicAttributesInput,
) -> Result<(), Fault> {
    let asker = Asker::of(caller);
    let set = app.meta.change(move |tx| -> Result<(), Refused> {
        let mut topic = lookup::topic(tx, &asker, "SetTopicAttributes", "TopicArn", &request.topic_arn)?;
        let value = request.attribute_value.unwrap_or_default();
        topic::set_attribute(&mut topic, &request.attribute_name, &value)?;
        Ok(tx.topic_put(&topic)?)
    });
    Ok(set.await?)
}

async fn get_of_subscription(
    app: &Arc<App>,
    caller: &Caller,
    request: GetSubscriptionAttributesInput,
) -> Result<GetSubscriptionAttributesResponse, Fault> {
    let asker = Asker::of(caller);
    let attributes = app.meta.read(|tx| -> Result<_, Refused> {
        let (found, topic) =
            lookup::subscription(tx, &asker, "GetSubscriptionAttributes", &request.subscription_arn)?;
        Ok(subscription::describe(&found, &topic))
    });
    Ok(GetSubscriptionAttributesResponse { attributes: Some(attributes?) })
}

async fn set_of_subscription(
    app: &Arc<App>,
    caller: &Caller,
    request: SetSubscriptionAttributesInput,
) -> Result<(), Fault> {
    let (asker, rules) = (Asker::of(caller), Arc::clone(&app.outbox.rules));
    let set = app.meta.change(move |tx| -> Result<(), Refused> {
        let (mut found, _) =
            lookup::subscription(tx, &asker, "SetSubscriptionAttributes", &request.subscription_arn)?;
        let value = request.attribute_value.unwrap_or_default();
        subscription::set_attribute(&mut found, &request.attribute_name, &value, &rules)?;
        Ok(tx.subscription_put(&found)?)
    });
    Ok(set.await?)
}
