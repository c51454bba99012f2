//! Owns making, deleting and listing topics. Refuses to know their attributes' rules (`deliver` does).

use std::sync::Arc;

use deliver::topic::{self, CreateTopic, Created, Origin};
use deliver::{Records, Refusal, arn, records};
use wire::Fault;
use wire::shape::sns::{
    CreateTopicInput, CreateTopicResponse, DeleteTopicInput, ListTopicsInput, ListTopicsResponse, Topic,
};

use super::lists;
use super::lookup::{self, Asker};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::outbox::Refused;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Sns::CreateTopic => create),
    operation!(Sns::DeleteTopic => delete),
    operation!(Sns::ListTopics => list),
];

async fn create(
    app: &Arc<App>,
    caller: &Caller,
    request: CreateTopicInput,
) -> Result<CreateTopicResponse, Fault> {
    let mut attributes = request.attributes.unwrap_or_default();
    attributes.extend(request.data_protection_policy.map(|text| ("DataProtectionPolicy".to_owned(), text)));
    let tags = request.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
    let wanted = CreateTopic { name: request.name, attributes, tags };
    let (asker, now_ms) = (Asker::of(caller), app.clock.now_ms());
    let quota = app.limits.quotas.as_ref().map(|_| app.outbox.limits.topics_max);
    let made = app.meta.change(move |tx| -> Result<_, Refused> {
        let (account, region) = (asker.account.as_str(), asker.region.as_str());
        let named = arn::topic(region, account, &wanted.name);
        let existing = tx.topic_by_arn(&named)?;
        // Only a topic that is new takes the id: a refused change takes none, and neither does this read.
        let id = if existing.is_none() { tx.next_id("topic")? } else { 0 };
        let origin = Origin { account, region, id, now_ms };
        if let Created::New(topic) = topic::create(&wanted, existing.as_ref(), origin)? {
            if quota.is_some_and(|quota| tx.topics_len(account, region).is_ok_and(|have| have >= quota)) {
                let mut refusal = Refusal::new("TopicLimitExceeded", "Topic limit exceeded");
                refusal.status = 403;
                return Err(refusal.into());
            }
            tx.topic_put(&topic)?;
        }
        Ok(named)
    });
    let made = made.await?;
    app.outbox.signing.want();
    Ok(CreateTopicResponse { topic_arn: Some(made) })
}

/// Deletes a topic with its subscriptions; one that is not there is deleted too. Messages that wait for its
/// subscribers are dropped when their turn comes.
async fn delete(app: &Arc<App>, caller: &Caller, request: DeleteTopicInput) -> Result<(), Fault> {
    let asker = Asker::of(caller);
    let gone = app.meta.change(move |tx| -> Result<(), Refused> {
        lookup::own_topic_arn(&asker, "DeleteTopic", &request.topic_arn)?;
        match tx.topic_by_arn(&request.topic_arn)? {
            Some(topic) => Ok(records::delete_topic(tx, &topic)?),
            None => Ok(()),
        }
    });
    Ok(gone.await?)
}

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListTopicsInput,
) -> Result<ListTopicsResponse, Fault> {
    let after: Option<String> = lists::position("ListTopics", request.next_token.as_deref())?;
    let page = app.meta.read(|tx| -> Result<_, Refused> {
        Ok(tx.topics_after(caller.account(), &caller.region, after.as_deref(), lists::PAGE + 1)?)
    });
    let (page, next_token) = lists::cut("ListTopics", page?, |topic| topic.name.clone());
    let topics = page.into_iter().map(|topic| Topic { topic_arn: Some(topic.arn) }).collect();
    Ok(ListTopicsResponse { topics: Some(topics), next_token })
}
