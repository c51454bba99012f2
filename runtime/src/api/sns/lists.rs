//! Owns the lists of subscriptions, and the pages of every list of SNS. Refuses to know what is listed.

use std::sync::Arc;

use deliver::{Records, Refusal, SubscriptionRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::Fault;
use wire::shape::sns::{
    ListSubscriptionsByTopicInput, ListSubscriptionsByTopicResponse, ListSubscriptionsInput,
    ListSubscriptionsResponse, Subscription,
};

use super::lookup::{self, Asker};
use crate::api::table::{Operation, operation};
use crate::api::{Caller, page};
use crate::app::App;
use crate::outbox::Refused;

pub(super) const OPERATIONS: &[Operation] =
    &[operation!(Sns::ListSubscriptions => list), operation!(Sns::ListSubscriptionsByTopic => list_by_topic)];

/// Rows of a page.
pub(super) const PAGE: usize = 100;

/// Where the page that `token` asks for begins.
pub(super) fn position<T: DeserializeOwned>(
    operation: &str,
    token: Option<&str>,
) -> Result<Option<T>, Fault> {
    // The command line sends an empty token for none.
    let token = token.filter(|token| !token.is_empty());
    page::position(operation, token).map_err(|_| Refused::from(Refusal::invalid("NextToken")).into())
}

/// Cuts `found`, which may hold one row too many, into a page and the token of the next.
pub(super) fn cut<R, T: Serialize>(
    operation: &str,
    mut found: Vec<R>,
    place: impl Fn(&R) -> T,
) -> (Vec<R>, Option<String>) {
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|last| page::token(operation, place(last)));
    (found, next)
}

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListSubscriptionsInput,
) -> Result<ListSubscriptionsResponse, Fault> {
    let after = position("ListSubscriptions", request.next_token.as_deref())?;
    let found = app.meta.read(|tx| -> Result<_, Refused> {
        Ok(tx.subscriptions_after(caller.account(), &caller.region, after, PAGE + 1)?)
    });
    let (found, next_token) = cut("ListSubscriptions", found?, |subscription| subscription.id);
    Ok(ListSubscriptionsResponse { subscriptions: Some(found.into_iter().map(shown).collect()), next_token })
}

async fn list_by_topic(
    app: &Arc<App>,
    caller: &Caller,
    request: ListSubscriptionsByTopicInput,
) -> Result<ListSubscriptionsByTopicResponse, Fault> {
    const NAME: &str = "ListSubscriptionsByTopic";
    let after = position(NAME, request.next_token.as_deref())?;
    let asker = Asker::of(caller);
    let found = app.meta.read(|tx| -> Result<_, Refused> {
        let topic = lookup::topic(tx, &asker, NAME, "TopicArn", &request.topic_arn)?;
        Ok(tx.subscriptions_of_topic(topic.id, after, PAGE + 1)?)
    });
    let (found, next_token) = cut(NAME, found?, |subscription| subscription.id);
    let subscriptions = Some(found.into_iter().map(shown).collect());
    Ok(ListSubscriptionsByTopicResponse { subscriptions, next_token })
}

fn shown(record: SubscriptionRecord) -> Subscription {
    Subscription {
        subscription_arn: Some(record.listed_arn().to_owned()),
        owner: Some(record.account),
        protocol: Some(record.protocol.to_string()),
        endpoint: Some(record.endpoint),
        topic_arn: Some(record.topic_arn),
    }
}
