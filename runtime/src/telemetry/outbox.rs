//! Owns what is shown of the way out of the process. Refuses to know what is sent.

use super::exposition::{Kind, Page};
use crate::app::App;
use crate::meta::MetaError;

pub(super) fn families(app: &App, page: &mut Page) {
    let read = app.meta.read(|tx| Ok::<_, MetaError>((tx.outbox_len()?, tx.dead_letters_len()?)));
    // Metadata that cannot be read is told by those who need them; the page shows no number then.
    let Ok((waiting, dead)) = read else { return };
    let help = "Notifications and calls that wait to be sent, retries included.";
    page.single("logboom_outbox_pending", Kind::Gauge, help, waiting);
    let help = "Notifications and calls that were given up and are kept to be looked at.";
    page.single("logboom_outbox_dead_letters", Kind::Gauge, help, dead);
    let sent = &app.outbox.tally;
    let mut family =
        page.family("logboom_outbox_attempts_total", Kind::Counter, "Attempts to send, by how they ended.");
    let ends = [("delivered", &sent.delivered), ("retry", &sent.put_off), ("dead", &sent.given_up)];
    for (outcome, count) in ends {
        family.sample(&[("outcome", outcome)], count.get());
    }
}
