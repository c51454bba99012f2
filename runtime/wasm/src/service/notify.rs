//! `notify`: messages to topics. Capability: the topic.

use sha2::{Digest, Sha256};

use super::{attribute_bytes, attributes};
use crate::bindings::logboom::extension::notify::{self, Host};
use crate::guest::Guest;
use crate::{Notification, NotifyError, Publish};

impl Host for Guest {
    fn publish(
        &mut self,
        topic: String,
        notification: notify::Notification,
    ) -> Result<String, notify::NotifyError> {
        if let Some(reason) = self.refusal("notify") {
            return Err(notify::NotifyError::NotAllowed(reason));
        }
        if !self.call.grants.may_publish(&topic) {
            let reason = format!("publish to {topic}; grant it with the tag logboom:allow-publish");
            return Err(notify::NotifyError::NotAllowed(reason));
        }
        let topic_arn = self.call.services.topic_arn(&topic)?;
        let notify::Notification { subject, message, attributes: pairs, dedup_key } = notification;
        let bytes = message.len() + attribute_bytes(&pairs);
        if !self.effects.charge(1, bytes, &self.limits) {
            return Err(notify::NotifyError::Throttled);
        }
        let message_id = message_id(&self.call.delivery_id, self.effects.publishes.len());
        let notification = Notification { subject, message, attributes: attributes(pairs), dedup_key };
        self.effects.publishes.push(Publish { topic_arn, message_id: message_id.clone(), notification });
        Ok(message_id)
    }
}

/// The same delivery gives the same ids, so that a message sent twice can be recognised.
fn message_id(delivery_id: &str, index: usize) -> String {
    let digest =
        Sha256::new().chain_update(delivery_id).chain_update((index as u64).to_le_bytes()).finalize();
    let hex: String = digest[..16].iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

impl From<NotifyError> for notify::NotifyError {
    fn from(error: NotifyError) -> Self {
        match error {
            NotifyError::NoSuchTopic(topic) => Self::NoSuchTopic(topic),
            NotifyError::Throttled => Self::Throttled,
            NotifyError::Other(reason) => Self::Other(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::message_id;

    #[test]
    fn message_ids_are_stable_and_differ() {
        assert_eq!(message_id("d", 0), message_id("d", 0));
        assert_ne!(message_id("d", 0), message_id("d", 1));
        assert_eq!(message_id("d", 0).len(), 36);
    }
}
