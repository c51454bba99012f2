//! Owns the message formats of HTTP subscriptions, one per file, and to which hosts each may go.
//! Refuses to know how a request is sent. The table `FORMATS` lists them.

mod discord;
mod json;
mod slack;
mod sns;
mod teams;

use crate::egress::Rules;
use crate::http::Endpoint;
use crate::message::Message;
use crate::notice::Notice;
use crate::subscription::Protocol;

pub use sns::{SnsBody, confirmation, notification, unsubscribed};

/// The subscription attribute `WebhookFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// AWS's own envelope, after a handshake.
    #[default]
    Sns,
    /// A Slack incoming webhook.
    Slack,
    /// A Discord webhook.
    Discord,
    /// A Microsoft Teams webhook or workflow.
    Teams,
    /// A plain JSON object for one's own receiver.
    Json,
}

/// A row of the format table.
struct Format {
    name: &'static str,
    format: WebhookFormat,
    /// The vendor's hosts; a leading dot means any host below.
    hosts: &'static [&'static str],
    /// Renders the body.
    render: fn(&Notice, &Message) -> serde_json::Value,
}

const FORMATS: [Format; 4] = [
    Format {
        name: "slack",
        format: WebhookFormat::Slack,
        hosts: &["hooks.slack.com", "hooks.slack-gov.com"],
        render: slack::body,
    },
    Format {
        name: "discord",
        format: WebhookFormat::Discord,
        hosts: &["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"],
        render: discord::body,
    },
    Format {
        name: "teams",
        format: WebhookFormat::Teams,
        hosts: &[".webhook.office.com", "outlook.office.com", ".logic.azure.com", ".api.powerplatform.com"],
        render: teams::body,
    },
    Format { name: "json", format: WebhookFormat::Json, hosts: &[], render: json::body },
];

impl WebhookFormat {
    /// Reads the attribute's value.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "sns" => Some(Self::Sns),
            other => FORMATS.iter().find(|row| row.name == other).map(|row| row.format),
        }
    }

    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        self.row().map_or("sns", |row| row.name)
    }

    /// Whether the body is made for people or their tools, without handshake.
    pub fn is_human(self) -> bool {
        self != Self::Sns
    }

    fn row(self) -> Option<&'static Format> {
        FORMATS.iter().find(|row| row.format == self)
    }
}

/// Checks the attribute of a subscription; the error names what is wrong.
pub fn check(protocol: Protocol, endpoint: &str, value: &str, rules: &Rules) -> Result<(), String> {
    let Some(format) = WebhookFormat::parse(value) else {
        return Err(format!("Invalid value [{value}]. Must be sns, slack, discord, teams or json."));
    };
    if !format.is_human() {
        return Ok(());
    }
    if !protocol.is_http() {
        return Err(format!("only http and https subscriptions have a format, not {protocol}"));
    }
    host_allowed(format, &Endpoint::parse(endpoint)?, rules)
}

/// Human formats go to the vendor's hosts over https, to listed hosts, or to loopback where that is
/// allowed. The error says how to allow a host.
pub fn host_allowed(format: WebhookFormat, endpoint: &Endpoint, rules: &Rules) -> Result<(), String> {
    let Some(row) = format.row() else { return Ok(()) };
    let (host, port) = (endpoint.host.as_str(), endpoint.port);
    if rules.lists(host, port) || rules.allows_as_loopback(host) {
        return Ok(());
    }
    let lower = host.to_ascii_lowercase();
    let vendor = row.hosts.iter().any(|known| match known.strip_prefix('.') {
        Some(_) => lower.ends_with(known),
        None => lower == *known,
    });
    match (vendor, endpoint.tls) {
        (true, true) => Ok(()),
        (true, false) => Err(format!("the format {} needs an https URL", row.name)),
        (false, _) => Err(format!(
            "the format {} may not go to {host}: {}; list the host in the configuration to allow it",
            row.name,
            if row.hosts.is_empty() {
                "it has no vendor".to_owned()
            } else {
                format!("its hosts are {}", shown_hosts(row.hosts))
            },
        )),
    }
}

fn shown_hosts(hosts: &[&str]) -> String {
    let shown =
        hosts.iter().map(|host| if host.starts_with('.') { format!("*{host}") } else { (*host).to_owned() });
    shown.collect::<Vec<_>>().join(", ")
}

/// The body of a human format; `None` for `sns`.
pub fn human_body(format: WebhookFormat, notice: &Notice, message: &Message) -> Option<String> {
    format.row().map(|row| (row.render)(notice, message).to_string())
}

#[cfg(test)]
mod tests;
