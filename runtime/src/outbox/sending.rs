//! Owns how the configuration becomes a sender: mail server, egress rules, links. Refuses to know records.

use std::sync::Arc;
use std::time::Duration;

use deliver::egress::{BoxFuture, Listed, Rules};
use deliver::email::{SmtpOptions, SmtpTls};
use deliver::lambda::{Invocation, InvokeError, LambdaInvoker, Line};
use deliver::{Sender, SenderOptions};

use super::Outbox;
use crate::config::{self, Config, Smtp};

/// Longest wait for one answer of the mail server.
const MAIL_TIMEOUT: Duration = Duration::from_secs(20);

/// Where requests may go: public addresses, what `[egress] allow` lists, and loopback in open mode.
pub(super) fn rules(config: &Config) -> Result<Rules, String> {
    let listed = config.egress.allow.iter().map(|entry| Listed::parse(entry));
    let listed = listed.collect::<Result<_, _>>().map_err(|error| format!("[egress] allow: {error}"))?;
    Ok(Rules { allow_loopback: config.keys.is_empty(), listed })
}

/// A sender whose links begin with `public_url`.
pub(super) fn sender(config: &Config, outbox: &Outbox, public_url: &str) -> Result<Sender, String> {
    let mut options = SenderOptions::new(public_url, outbox.signing.key());
    options.rules = Arc::clone(&outbox.rules);
    options.smtp = config.smtp.as_ref().map(smtp);
    Sender::new(options).map_err(|error| format!("[smtp]: {error}"))
}

fn smtp(settings: &Smtp) -> SmtpOptions {
    let (tls, port) = match settings.tls {
        config::SmtpTls::None => (SmtpTls::None, 25),
        config::SmtpTls::Starttls => (SmtpTls::StartTls, 587),
        config::SmtpTls::Implicit => (SmtpTls::Implicit, 465),
    };
    let password = || settings.password.clone().unwrap_or_default();
    SmtpOptions {
        host: settings.host.clone(),
        port: settings.port.unwrap_or(port),
        tls,
        login: settings.user.clone().map(|user| (user, password())),
        from: settings.from.clone(),
        extra_roots: Vec::new(),
        timeout: MAIL_TIMEOUT,
    }
}

/// Stands where functions will be connected.
pub(super) struct NoFunctions;

impl LambdaInvoker for NoFunctions {
    fn invoke<'a>(&'a self, _call: Invocation<'a>) -> BoxFuture<'a, Result<(), InvokeError>> {
        Box::pin(async { Err(InvokeError::Missing("this server runs no functions".to_owned())) })
    }

    fn append<'a>(&'a self, _line: Line<'a>) -> BoxFuture<'a, Result<(), InvokeError>> {
        Box::pin(async { Err(InvokeError::Missing("this server runs no functions".to_owned())) })
    }
}
