//! Owns tags of topics. Refuses to know what a tag means.

use std::sync::Arc;

use deliver::{Records, Refusal, TopicRecord, topic};
use wire::Fault;
use wire::shape::sns::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResourceRequest, TagResourceResponse,
    UntagResourceRequest, UntagResourceResponse,
};

use super::lookup::{self, Asker};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::meta::Tx;
use crate::outbox::Refused;

pub(super) const OPERATIONS: &[Operation] = &[
    operation!(Sns::TagResource => tag),
    operation!(Sns::UntagResource => untag),
    operation!(Sns::ListTagsForResource => list),
];

fn find(tx: &mut Tx<'_>, asker: &Asker, action: &str, arn: &str) -> Result<TopicRecord, Refused> {
    lookup::topic(tx, asker, action, "ResourceArn", arn).map_err(|refused| match refused {
        Refused::Refusal(refusal) if refusal.code == "NotFound" => {
            let mut refusal = Refusal::not_found("Resource");
            refusal.code = "ResourceNotFound";
            refusal.into()
        }
        other => other,
    })
}

async fn tag(
    app: &Arc<App>,
    caller: &Caller,
    request: TagResourceRequest,
) -> Result<TagResourceResponse, Fault> {
    let asker = Asker::of(caller);
    let done = app.meta.change(move |tx| -> Result<_, Refused> {
        let mut found = find(tx, &asker, "TagResource", &request.resource_arn)?;
        let given: Vec<_> = request.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
        found.tags = topic::check_tags(&given, &found.tags)?;
        tx.topic_put(&found)?;
        Ok(TagResourceResponse {})
    });
    Ok(done.await?)
}

async fn untag(
    app: &Arc<App>,
    caller: &Caller,
    request: UntagResourceRequest,
) -> Result<UntagResourceResponse, Fault> {
    let asker = Asker::of(caller);
    let done = app.meta.change(move |tx| -> Result<_, Refused> {
        let mut found = find(tx, &asker, "UntagResource", &request.resource_arn)?;
        found.tags.retain(|key, _| !request.tag_keys.contains(key));
        tx.topic_put(&found)?;
        Ok(UntagResourceResponse {})
    });
    Ok(done.await?)
}

async fn list(
    app: &Arc<App>,
    caller: &Caller,
    request: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Fault> {
    let asker = Asker::of(caller);
    let found =
        app.meta.read(|tx| find(tx, &asker, "ListTagsForResource", &request.resource_arn).map(|t| t.tags));
    let tags = found?.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(ListTagsForResourceResponse { tags: Some(tags) })
}
