//! Owns mail: what subscribers read, and handing it to the configured SMTP server.
//! Refuses to know retries. Every header value is made of one line, so that foreign text adds no header.

use std::time::{Duration, SystemTime};

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use crate::envelope::Links;
use crate::message::Message;
use crate::notice::{AlarmNotice, Notice};
use crate::text::{clip, one_line};

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SmtpTls {
    /// Plain text.
    None,
    /// Plain at first, then TLS; refused when the server does not offer it.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// The mail server.
#[derive(Clone)]
pub struct SmtpOptions {
    /// Name or address.
    pub host: String,
    /// Port, usually 25, 465 or 587.
    pub port: u16,
    /// Protection.
    pub tls: SmtpTls,
    /// User and password.
    pub login: Option<(String, String)>,
    /// Sender, `address` or `Name <address>`.
    pub from: String,
    /// Further trusted roots, PEM.
    pub extra_roots: Vec<String>,
    /// Longest wait for one answer of the server.
    pub timeout: Duration,
}

impl std::fmt::Debug for SmtpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, tls, from, .. } = self;
        f.debug_struct("SmtpOptions")
            .field("server", &format_args!("{host}:{port}"))
            .field("tls", tls)
            .field("from", from)
            .field("login", &self.login.is_some())
            .finish_non_exhaustive()
    }
}

/// A mail before it is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Subject.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// Name shown as the sender; the configured one when empty.
    pub sender_name: String,
    /// For the `List-Unsubscribe` header.
    pub unsubscribe_url: Option<String>,
    /// Makes `Message-ID`; the same for every try, so that a repeat can be told.
    pub id: String,
    /// `Date`, milliseconds.
    pub timestamp_ms: i64,
}

/// What sending came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server took it.
    Accepted,
    /// Worth trying again.
    Retry(String),
    /// The server refused it for good, or it cannot be written.
    Permanent(String),
}

/// AWS's limit on subjects of mail is 100; people's mail programs cut later.
const SUBJECT_MAX: usize = 200;
/// Most characters of one log line in a mail; mail has no limit of its own.
const LINE_CHARS: usize = 10_000;
/// A whole conversation takes a handful of answers.
const ANSWERS: u32 = 8;

/// Whether a text is one plain mail address.
pub fn is_address(text: &str) -> bool {
    text.len() <= 254
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        && text.parse::<Address>().is_ok()
}

/// The mail of a notification for people.
pub fn notification(
    message: &Message,
    text: &str,
    sender_name: &str,
    subscription_arn: &str,
    links: &Links,
) -> Mail {
    let notice = Notice::read(message, text);
    let subject = match (&message.subject, &notice.alarm) {
        (Some(subject), _) => subject.clone(),
        (None, Some(_)) => notice.title.clone(),
        (None, None) => "AWS Notification Message".to_owned(),
    };
    let content = match &notice.alarm {
        Some(alarm) => alarm_text(alarm, &notice),
        None => text.to_owned(),
    };
    let unsubscribe_url = links.unsubscribe(subscription_arn);
    Mail {
        subject,
        body: with_footer(&content, &unsubscribe_url),
        sender_name: sender_name.to_owned(),
        unsubscribe_url: Some(unsubscribe_url),
        id: message.id.clone(),
        timestamp_ms: message.timestamp_ms,
    }
}

/// The mail whose body is the notification JSON.
pub fn notification_json(
    message: &Message,
    json: String,
    sender_name: &str,
    unsubscribe_url: String,
) -> Mail {
    Mail {
        subject: message.subject.clone().unwrap_or_else(|| "AWS Notification Message".to_owned()),
        body: json,
        sender_name: sender_name.to_owned(),
        unsubscribe_url: Some(unsubscribe_url),
        id: message.id.clone(),
        timestamp_ms: message.timestamp_ms,
    }
}

/// The mail that asks to confirm.
pub fn confirmation(
    topic_arn: &str,
    subscribe_url: &str,
    sender_name: &str,
    id: &str,
    timestamp_ms: i64,
) -> Mail {
    Mail {
        subject: "AWS Notification - Subscription Confirmation".to_owned(),
        body: format!(
            "You have chosen to subscribe to the topic:\n{topic_arn}\n\nTo confirm this subscription, open this \
             link (it works for two days):\n{subscribe_url}\n\nIf this was not you, nothing needs to be done: \
             no notification is sent before the link is opened.\n"
        ),
        sender_name: sender_name.to_owned(),
        unsubscribe_url: None,
        id: id.to_owned(),
        timestamp_ms,
    }
}

/// The mail after the end of a subscription.
pub fn unsubscribed(
    topic_arn: &str,
    subscribe_url: &str,
    sender_name: &str,
    id: &str,
    timestamp_ms: i64,
) -> Mail {
    Mail {
        subject: "AWS Notification - Unsubscribe Confirmation".to_owned(),
        body: format!(
            "Your subscription to the topic below has been ended:\n{topic_arn}\n\nIf this was not meant, open this \
             link to subscribe again:\n{subscribe_url}\n"
        ),
        ..confirmation(topic_arn, subscribe_url, sender_name, id, timestamp_ms)
    }
}

fn with_footer(content: &str, unsubscribe_url: &str) -> String {
    format!(
        "{}\n\n--\nTo stop receiving notifications from this topic, open this link:\n{unsubscribe_url}\n",
        content.trim_end()
    )
}

fn alarm_text(alarm: &AlarmNotice, notice: &Notice) -> String {
    let mut text = format!(
        "The alarm \"{}\" in {} has entered the {} state at {}, because:\n{}\n",
        alarm.name, alarm.region, alarm.state, alarm.at, alarm.reason
    );
    let lines = notice.shown_lines(LINE_CHARS);
    if !lines.is_empty() {
        text.push_str("\nLog lines behind it:\n");
        for line in &lines {
            text.push_str(line);
            text.push('\n');
        }
        if notice.hidden_lines() > 0 {
            text.push_str(&format!("... and {} more lines\n", notice.hidden_lines()));
        }
    }
    text.push_str("\nAlarm details:\n");
    let details = [
        ("Name", &alarm.name),
        ("Description", &alarm.description),
        ("AWS account", &alarm.account),
        ("Alarm ARN", &alarm.arn),
    ];
    for (label, value) in details {
        if !value.is_empty() {
            text.push_str(&format!("- {label}: {value}\n"));
        }
    }
    text.push_str(&format!("- State change: {} -> {}\n", alarm.previous, alarm.state));
    for (label, value) in &alarm.trigger {
        text.push_str(&format!("- {label}: {value}\n"));
    }
    text
}

/// `List-Unsubscribe` (RFC 2369).
#[derive(Clone)]
struct ListUnsubscribe(String);

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), format!("<{}>", self.0))
    }
}

/// The configured mail server with its sender.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

impl Mailer {
    /// Reads the options; the error says which one is wrong. Nothing is connected yet.
    pub fn new(options: &SmtpOptions) -> Result<Self, String> {
        let from: Mailbox =
            options.from.parse().map_err(|_| format!("the sender '{}' is no mail address", options.from))?;
        let tls = || {
            let mut parameters = TlsParameters::builder(options.host.clone());
            for pem in &options.extra_roots {
                let certificate = Certificate::from_pem(pem.as_bytes())
                    .map_err(|e| format!("a root certificate is no PEM: {e}"))?;
                parameters = parameters.add_root_certificate(certificate);
            }
            parameters.build_rustls().map_err(|e| format!("TLS for mail cannot be set up: {e}"))
        };
        let tls = match options.tls {
            SmtpTls::None => Tls::None,
            SmtpTls::StartTls => Tls::Required(tls()?),
            SmtpTls::Implicit => Tls::Wrapper(tls()?),
        };
        let domain = from.email.domain().to_owned();
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&options.host)
            .port(options.port)
            .tls(tls)
            .hello_name(ClientId::Domain(domain))
            .timeout(Some(options.timeout));
        if let Some((user, password)) = &options.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self { transport: builder.build(), from, timeout: options.timeout })
    }

    /// Sends one mail to one address.
    pub async fn send(&self, to: &str, mail: &Mail) -> Outcome {
        let message = match self.compose(to, mail) {
            Ok(message) => message,
            Err(error) => return Outcome::Permanent(error),
        };
        match tokio::time::timeout(self.timeout * ANSWERS, self.transport.send(message)).await {
            Err(_) => Outcome::Retry("the mail server did not finish in time".to_owned()),
            Ok(Ok(_)) => Outcome::Accepted,
            Ok(Err(error)) => {
                let text = format!("mail: {error}");
                // 53x answers are about the login: the configuration may be mended meanwhile.
                let about_login = error.status().is_some_and(|code| (530..540).contains(&u16::from(code)));
                if error.is_permanent() && !about_login {
                    Outcome::Permanent(text)
                } else {
                    Outcome::Retry(text)
                }
            }
        }
    }

    fn compose(&self, to: &str, mail: &Mail) -> Result<lettre::Message, String> {
        let to: Address = to.parse().map_err(|_| "the address is malformed".to_owned())?;
        let mut from = self.from.clone();
        if !mail.sender_name.is_empty() {
            from.name = Some(one_line(&mail.sender_name));
        }
        let domain = from.email.domain().to_owned();
        let id: String = mail.id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let at = u64::try_from(mail.timestamp_ms).unwrap_or(0);
        let mut builder = lettre::Message::builder()
            .from(from)
            .to(Mailbox::new(None, to))
            .subject(clip(&one_line(&mail.subject), SUBJECT_MAX))
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(at))
            .message_id(Some(format!("<{id}@{domain}>")))
            .header(ContentType::TEXT_PLAIN);
        if let Some(url) = &mail.unsubscribe_url {
            builder = builder.header(ListUnsubscribe(one_line(url)));
        }
        builder.body(mail.body.clone()).map_err(|e| format!("the mail cannot be written: {e}"))
    }
}

#[cfg(test)]
mod tests;
