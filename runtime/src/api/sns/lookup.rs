//! Owns finding what a request names and whether it is the caller's. Refuses to change anything.

use deliver::{Records, Refusal, SubscriptionRecord, TopicRecord, arn};

use crate::api::Caller;
use crate::meta::Tx;
use crate::outbox::Refused;

/// Who asks, in a shape that goes into a change.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) account: String,
    pub(super) region: String,
    arn: String,
}

impl Asker {
    pub(super) fn of(caller: &Caller) -> Asker {
        Asker {
            account: caller.account().to_owned(),
            region: caller.region.clone(),
            arn: caller.identity.arn.clone(),
        }
    }

    /// A resource of another region is not to be found here, one of another account is not to be touched.
    fn check(
        &self,
        parameter: &str,
        named: &arn::SnsArn<'_>,
        action: &str,
        full: &str,
    ) -> Result<(), Refusal> {
        if named.region != self.region {
            return Err(Refusal::invalid(parameter));
        }
        if named.account != self.account {
            return Err(forbidden(&self.arn, action, full));
        }
        Ok(())
    }
}

/// AWS's `AuthorizationError`.
pub(super) fn forbidden(who: &str, action: &str, resource: &str) -> Refusal {
    let text = format!("User: {who} is not authorized to perform: SNS:{action} on resource: {resource}");
    let mut refusal = Refusal::new("AuthorizationError", text);
    refusal.status = 403;
    refusal
}

/// The caller's topic of an ARN given as `parameter`.
pub(super) fn topic(
    tx: &mut Tx<'_>,
    asker: &Asker,
    action: &str,
    parameter: &str,
    text: &str,
) -> Result<TopicRecord, Refused> {
    asker.check(parameter, &arn::parse_topic(parameter, text)?, action, text)?;
    Ok(tx.topic_by_arn(text)?.ok_or_else(|| Refusal::not_found("Topic"))?)
}

/// Checks that an ARN names a topic of the caller's, whether it is there or not.
pub(super) fn own_topic_arn(asker: &Asker, action: &str, text: &str) -> Result<(), Refusal> {
    asker.check("TopicArn", &arn::parse_topic("TopicArn", text)?, action, text)
}

/// The caller's subscription of an ARN, if it is there.
pub(super) fn find_subscription(
    tx: &mut Tx<'_>,
    asker: &Asker,
    action: &str,
    text: &str,
) -> Result<Option<SubscriptionRecord>, Refused> {
    asker.check("SubscriptionArn", &arn::parse_subscription(text)?, action, text)?;
    Ok(tx.subscription_by_arn(text)?)
}

/// The caller's subscription of an ARN, with its topic.
pub(super) fn subscription(
    tx: &mut Tx<'_>,
    asker: &Asker,
    action: &str,
    text: &str,
) -> Result<(SubscriptionRecord, TopicRecord), Refused> {
    let found = find_subscription(tx, asker, action, text)?;
    let found = found.ok_or_else(|| Refusal::not_found("Subscription"))?;
    // A topic goes together with its subscriptions.
    let topic = tx.topic_by_arn(&found.topic_arn)?.ok_or_else(|| Refusal::not_found("Topic"))?;
    Ok((found, topic))
}
