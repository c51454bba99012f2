//! Owns Subscribe and Unsubscribe. Refuses to know endpoints' rules and how a handshake is sent.

use std::sync::Arc;

use deliver::outbox;
use deliver::subscription::{self, Fresh, Protocol, State, Subscribe, TOKEN_LIFE_MS};
use deliver::{Records, Refusal, SubscriptionRecord, records};
use wire::Fault;
use wire::shape::sns::{SubscribeInput, SubscribeResponse, UnsubscribeInput};

use super::lookup::{self, Asker};
use crate::api::Caller;
use crate::api::table::{Operation, operation};
use crate::app::App;
use crate::functions::attach::{self, Purpose};
use crate::outbox::Refused;

pub(super) const OPERATIONS: &[Operation] =
    &[operation!(Sns::Subscribe => subscribe), operation!(Sns::Unsubscribe => unsubscribe)];

async fn subscribe(
    app: &Arc<App>,
    caller: &Caller,
    request: SubscribeInput,
) -> Result<SubscribeResponse, Fault> {
    let (asker, outbox, clock) = (Asker::of(caller), Arc::clone(&app.outbox), app.clock.clone());
    let scope = caller.scope();
    let made = app.meta.change(move |tx| -> Result<_, Refused> {
        let topic = lookup::topic(tx, &asker, "Subscribe", "TopicArn", &request.topic_arn)?;
        let protocol = Protocol::parse(&request.protocol)?;
        if protocol == Protocol::Lambda && !outbox.has_functions() {
            return Err(Refusal::unsupported("Protocol", "delivery by lambda is").into());
        }
        let endpoint = request.endpoint.as_deref().unwrap_or_default();
        if protocol == Protocol::Lambda {
            attach::check_arn(tx, &scope, endpoint, Purpose::Payload).map_err(|reason| {
                Refusal::new("InvalidParameter", format!("Invalid parameter: Endpoint: {reason}"))
            })?;
        }
        let others = records::subscriptions(tx, topic.id)?;
        let is_same = |other: &&SubscriptionRecord| other.protocol == protocol && other.endpoint == endpoint;
        let existing = others.iter().find(is_same).cloned();
        let limit = outbox.limits.subscriptions_per_topic_max;
        if existing.is_none() && others.len() >= limit {
            let mut refusal = Refusal::new(
                "SubscriptionLimitExceeded",
                format!("A topic has at most {limit} subscriptions here"),
            );
            refusal.status = 403;
            return Err(refusal.into());
        }
        let id = if existing.is_none() { tx.next_id("subscription")? } else { 0 };
        let mut token = [0; 32];
        clock.secret_bytes(&mut token);
        let now_ms = clock.now_ms();
        let fresh = Fresh { id, uuid: clock.uuid(), token, now_ms };
        let wanted = Subscribe {
            protocol: request.protocol,
            endpoint: request.endpoint,
            attributes: request.attributes.unwrap_or_default(),
        };
        let done = subscription::subscribe(&topic, &wanted, existing, &fresh, &outbox.rules)?;
        tx.subscription_put(&done.record)?;
        if done.handshake {
            let id = tx.next_id("outbox")?;
            tx.outbox_put(&outbox::handshake(&topic, &done.record, false, id, &clock.uuid(), now_ms))?;
        }
        Ok(done.record.answered_arn(request.return_subscription_arn.unwrap_or(false)).to_owned())
    });
    let subscription_arn = Some(made.await?);
    app.outbox.nudge();
    Ok(SubscribeResponse { subscription_arn })
}

async fn unsubscribe(app: &Arc<App>, caller: &Caller, request: UnsubscribeInput) -> Result<(), Fault> {
    let asker = Asker::of(caller);
    let gone = app.meta.change(move |tx| -> Result<(), Refused> {
        match lookup::find_subscription(tx, &asker, "Unsubscribe", &request.subscription_arn)? {
            Some(found) => Ok(records::unsubscribe(tx, &found)?),
            None => Ok(()),
        }
    });
    Ok(gone.await?)
}

/// Ends a subscription by the link in its messages, which proves nothing but that a message was read. Its
/// endpoint is told, with a link that takes the end back.
///
/// # Errors
/// `AuthorizationError` where only a signed request may end it.
pub(super) async fn end_by_link(app: &Arc<App>, subscription_arn: String) -> Result<(), Refused> {
    let clock = app.clock.clone();
    let gone = app.meta.change(move |tx| -> Result<(), Refused> {
        deliver::arn::parse_subscription(&subscription_arn)?;
        let Some(mut found) = tx.subscription_by_arn(&subscription_arn)? else { return Ok(()) };
        if found.authenticate_on_unsubscribe {
            return Err(lookup::forbidden("anonymous", "Unsubscribe", &subscription_arn).into());
        }
        records::unsubscribe(tx, &found)?;
        let hears = found.protocol != Protocol::Lambda && !found.format().is_human();
        let topic = tx.topic_by_arn(&found.topic_arn)?.filter(|_| hears && found.state == State::Confirmed);
        let Some(topic) = topic else { return Ok(()) };
        let now_ms = clock.now_ms();
        found.state = State::Pending;
        found.token = token(&clock);
        found.token_expires_ms = now_ms.saturating_add(TOKEN_LIFE_MS);
        tx.departed_put(&found)?;
        let id = tx.next_id("outbox")?;
        Ok(tx.outbox_put(&outbox::handshake(&topic, &found, true, id, &clock.uuid(), now_ms))?)
    });
    gone.await?;
    app.outbox.nudge();
    Ok(())
}

fn token(clock: &crate::clock::Clock) -> String {
    let mut bytes = [0; 32];
    clock.secret_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
