//! Gets the events that match a subscription filter, in batches.

use logboom_sdk::prelude::*;

struct Handler;

impl Subscription for Handler {
    fn handle(context: &Context, events: Vec<LogEvent>) -> Outcome {
        for event in &events {
            info!("{}: {}", context.log_group, event.message);
        }
        done()
    }
}

logboom_sdk::export!(Handler: subscription);

#[cfg(test)]
mod tests {
    use super::*;
    use logboom_sdk::native;

    #[test]
    fn it_writes_a_line_for_each_event() {
        native::reset(&[]);
        let event = LogEvent { timestamp: 0, ingestion_time: 0, message: "ERROR out of axes".to_owned() };
        let context = Context { log_group: "/app/web".to_owned(), ..Context::default() };
        Handler::handle(&context, vec![event]).unwrap();
        assert!(native::with(|recorder| recorder.lines[0].ends_with("/app/web: ERROR out of axes")));
    }
}
