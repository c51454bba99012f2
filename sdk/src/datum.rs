//! Short ways to write metric values, notifications, events and signatures.

use crate::{
    Attribute, Context, LogEvent, MetricDatum, NewEvent, Notification, Scalar, ScalarType, Signature, Unit,
};

impl MetricDatum {
    /// A value of a metric, without unit or dimensions, at the event's own time.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, value: f64) -> Self {
        let (namespace, name) = (namespace.into(), name.into());
        Self { namespace, name, value, unit: Unit::None, dimensions: Vec::new(), timestamp: None }
    }

    /// The unit of the value.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Adds a dimension.
    #[must_use]
    pub fn dimension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.dimensions.push(Attribute { key: name.into(), value: value.into() });
        self
    }
}

impl Notification {
    /// A message without a subject.
    pub fn new(message: impl Into<String>) -> Self {
        Self { subject: None, message: message.into(), attributes: Vec::new(), dedup_key: None }
    }

    /// The subject: mail shows it, webhooks use it as the title.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Adds a message attribute, which filter policies can look at.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute { key: key.into(), value: value.into() });
        self
    }

    /// The same key within five minutes is delivered once.
    #[must_use]
    pub fn dedup_key(mut self, key: impl Into<String>) -> Self {
        self.dedup_key = Some(key.into());
        self
    }
}

impl NewEvent {
    /// An event for [`crate::log_sink`].
    pub fn new(timestamp: i64, message: impl Into<String>) -> Self {
        Self { timestamp, message: message.into() }
    }
}

impl Signature {
    /// A function without parameters that gives a text.
    pub fn new(name: impl Into<String>, help: impl Into<String>) -> Self {
        let (name, help) = (name.into(), help.into());
        Self { name, parameters: Vec::new(), variadic: false, returns: ScalarType::Text, help }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn takes(mut self, parameter: ScalarType) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// What it gives.
    #[must_use]
    pub fn gives(mut self, returns: ScalarType) -> Self {
        self.returns = returns;
        self
    }
}

impl Scalar {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, whole or not, if it is one.
    #[allow(clippy::cast_precision_loss, reason = "numbers of the query language are doubles")]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some(*integer as f64),
            Self::Number(number) => Some(*number),
            Self::Null | Self::Boolean(_) | Self::Text(_) => None,
        }
    }
}

impl LogEvent {
    /// An event, for tests.
    pub fn new(timestamp: i64, message: impl Into<String>) -> Self {
        Self { timestamp, ingestion_time: timestamp, message: message.into() }
    }
}

impl Default for Context {
    /// An empty context, for tests.
    fn default() -> Self {
        Self {
            account_id: String::new(),
            region: String::new(),
            log_group: String::new(),
            log_stream: String::new(),
            binding: String::new(),
            delivery_id: String::new(),
            attempt: 1,
            first_sequence: 0,
            attributes: Vec::new(),
        }
    }
}
