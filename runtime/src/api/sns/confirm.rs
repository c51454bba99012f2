//! Owns the end of a handshake: ConfirmSubscription, by a signed request or by the link. Refuses to know
//! what a token must look like (`deliver` does).

use std::sync::Arc;

use deliver::{Records, Refusal, arn, subscription};
use wire::Fault;
use wire::shape::sns::{ConfirmSubscriptionInput, ConfirmSubscriptionResponse};

use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::outbox::Refused;

pub(super) const OPERATIONS: &[Operation] = &[operation!(Sns::ConfirmSubscription => confirm)];

async fn confirm(
    app: &Arc<App>,
    _caller: &Caller,
    request: ConfirmSubscriptionInput,
) -> Result<ConfirmSubscriptionResponse, Fault> {
    let arn = finish(app, request, true).await?;
    Ok(ConfirmSubscriptionResponse { subscription_arn: Some(arn) })
}

/// Finishes the handshake of a token; the subscription's ARN. `authenticated`: the request was signed.
///
/// # Errors
/// AWS's texts for a topic or token that is not one.
pub(super) async fn finish(
    app: &Arc<App>,
    request: ConfirmSubscriptionInput,
    authenticated: bool,
) -> Result<String, Refused> {
    let now_ms = app.clock.now_ms();
    let done = app.meta.change(move |tx| -> Result<_, Refused> {
        let ConfirmSubscriptionInput { topic_arn, token, authenticate_on_unsubscribe } = request;
        arn::parse_topic("Topic", &topic_arn).map_err(|_| Refusal::invalid("Topic"))?;
        let locked = authenticate_on_unsubscribe.is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
        let mut found = tx.subscription_by_token(&token)?;
        if found.is_none() {
            // Ended by its link, and now brought back by the one in the farewell.
            found = tx.departed_take(&token)?.filter(|gone| !gone.is_expired(now_ms));
        }
        let known = found.as_ref().map(|found| found.topic_arn.clone());
        let record = subscription::confirm(
            &topic_arn,
            &token,
            found,
            // A link is open to whoever reads it: it must not lock the subscription.
            locked && authenticated,
            authenticated,
            now_ms,
        )?;
        // A topic deleted meanwhile has no subscriptions.
        if known.is_none_or(|arn| arn != topic_arn) || tx.topic_by_arn(&topic_arn)?.is_none() {
            return Err(Refusal::not_found("Topic").into());
        }
        tx.subscription_put(&record)?;
        Ok(record.arn)
    });
    done.await
}
