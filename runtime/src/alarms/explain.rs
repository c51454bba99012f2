//! Owns the account of an alarm for people: what an evaluation at this moment finds, in sentences. Refuses to
//! change anything.

use std::sync::Arc;

use metrics::alarm::evaluate::Moment;
use metrics::operation::evaluate_alarm::look;
use metrics::records::{AlarmRecord, Reads};

use crate::app::App;
use crate::meta::{MetaError, Tx};

const PAGE: usize = 500;

/// The alarms of this name in every account and region, each explained under its ARN; `None` if there is none.
///
/// # Errors
/// Storage failures.
pub(crate) async fn explain(app: &Arc<App>, name: String) -> Result<Option<String>, MetaError> {
    let (meta, moment) = (app.meta.clone(), Moment::at(app.clock.now_ms()));
    App::blocking(move || {
        meta.read(|tx| {
            let mut out = String::new();
            for alarm in named(tx, &name)? {
                let evaluation = look(tx, &alarm, moment)?;
                out.push_str(&alarm.spec.arn(&alarm.scope));
                out.push('\n');
                out.push_str(&metrics::alarm::explain::explain(&alarm.spec, &evaluation));
            }
            Ok((!out.is_empty()).then_some(out))
        })
    })
    .await
}

fn named(tx: &mut Tx<'_>, name: &str) -> Result<Vec<AlarmRecord>, MetaError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = tx.alarms_all(after, PAGE)?;
        let last = page.last().map(|last| last.id).filter(|_| page.len() == PAGE);
        found.extend(page.into_iter().filter(|alarm| alarm.spec.name == name));
        match last {
            Some(last) => after = Some(last),
            None => return Ok(found),
        }
    }
}
