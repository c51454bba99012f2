//! Owns everything that leaves the process: SNS topics and subscriptions, filter policies, the messages and
//! their signature, formats for people, the outbox with its retries and dead letters, the HTTP and SMTP
//! senders, and which network targets may be reached.
//!
//! Refuses to know log data, metrics, guests, AWS encodings, time, randomness and where records are kept.
//! Start reading at `outbox` (what leaves and what follows a try), then `send` (one try).

pub mod arn;
pub mod attribute;
pub mod awslogs;
pub mod delivery_policy;
mod der;
pub mod egress;
pub mod email;
pub mod envelope;
pub mod filter_policy;
pub mod http;
pub mod lambda;
pub mod message;
pub mod notice;
pub mod outbound;
pub mod outbox;
pub mod records;
pub mod refusal;
pub mod retry;
pub mod send;
pub mod signature;
pub mod subscription;
pub mod text;
pub mod throttle;
pub mod topic;
pub mod topic_policy;
pub mod webhook;

pub use outbox::{DeadLetterRecord, OutboxRecord, SendResult, Step};
pub use records::{Limits, Records};
pub use refusal::Refusal;
pub use send::{Sender, SenderOptions};
pub use signature::SigningKey;
pub use subscription::SubscriptionRecord;
pub use topic::TopicRecord;

#[cfg(test)]
mod tests;
