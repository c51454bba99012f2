//! Owns every limit's number, under AWS's name where AWS has one. Refuses to enforce them: rooms and
//! operations do.
//!
//! Sizes hold always. Quotas (rates and counts that AWS sets to share its machines) hold only under
//! `--aws-quotas`, for clients that want to see their back-off at work; `Limits::quotas` is `None` otherwise.

use crate::config::Config;

macro_rules! limits {
    ($(#[$about:meta])* $name:ident { $($(#[doc = $doc:literal])* $field:ident = $default:expr, $aws:literal;)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $name { $($(#[doc = $doc])* pub(crate) $field: u64,)* }

        impl Default for $name {
            fn default() -> $name {
                $name { $($field: $default,)* }
            }
        }

        impl $name {
            /// Name in the configuration, name at AWS ("" where AWS has none), default.
            #[cfg_attr(not(test), expect(dead_code, reason = "the names are documentation; a test holds them unique"))]
            pub(crate) const TABLE: &[(&str, &str, u64)] = &[$((stringify!($field), $aws, $default),)*];

            fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($field) => self.$field = value,)*
                    _ => return false,
                }
                true
            }
        }
    };
}

limits! {
    /// Sizes and shapes, in force always.
    Sizes {
        /// Bytes of a request body as received, all services but Lambda.
        request_bytes = 10 << 20, "";
        /// Bytes of a Lambda request body: a 50 MB archive in base64, and the rest of the request.
        lambda_request_bytes = 70 << 20, "Deployment package size (direct upload)";
        /// Bytes of request bodies held at once, all connections together, all services but Lambda.
        requests_in_flight_bytes = 512 << 20, "";
        /// Bytes of Lambda request bodies held at once.
        lambda_requests_in_flight_bytes = 280 << 20, "";
        /// Operations at work at once, those included whose client has gone.
        operations_in_flight = 1024, "";
        /// FilterLogEvents at work at once whose pattern asks functions: each holds a thread while they run.
        function_searches = 8, "";
        /// Cores that guests and the sealing of segments keep off, where others remain: requests are answered there.
        /// Linux only.
        request_cores = 1, "";
        /// Live tails open at once, AWS's sessions and `logboom tail` together.
        live_tails = 64, "";
        /// Bytes that wait for a client of `logboom tail`.
        live_tail_buffer_bytes = 4 << 20, "";
        /// Events of the log by which `logboom tail` may be behind before it passes over some.
        live_tail_lag_events = 100_000, "";
        /// Seconds for which a client may take nothing of its answer before it is cut off.
        stalled_reader_seconds = 30, "";
        /// Connections served at once; more wait to be accepted.
        connections = 1024, "";
        /// Bytes that a response of FilterLogEvents or GetLogEvents may hold.
        events_response_bytes = 1 << 20, "Event response size";
        /// Seconds for which a subscription's delivery is tried before it becomes a dead letter.
        subscription_retry_seconds = 86_400, "";
        /// Bytes of acknowledged events in memory (and in the intake log) at which they are sealed into a segment.
        memtable_bytes = 48 << 20, "";
        /// Bytes of sealed events kept in memory for subscriptions, metric filters and tails that are close behind.
        recent_bytes = 128 << 20, "";
        /// Bytes of a segment file below which it may be merged with its neighbours.
        merge_segment_bytes = 4 << 20, "";
        /// Bytes of decoded parts of blocks kept for the next reader.
        block_cache_bytes = 96 << 20, "";
        /// Log groups that have `AWS/Logs` metrics of their own in the life of a process; the others count in the
        /// totals of their account and region. Each point of each minute is kept for 15 days.
        vended_metric_groups = 200, "";
        /// Tags on one resource.
        tags_per_resource = 50, "Tags per resource";
    }
}

limits! {
    /// Rates and counts, in force under `--aws-quotas`.
    Quotas {
        /// Log groups of an account in a region.
        log_groups = 1_000_000, "Log groups";
        /// Metric filters of a log group.
        metric_filters_per_group = 100, "Metric filters per log group";
        /// Subscription filters of a log group.
        subscription_filters_per_group = 5, "Subscription filters per log group";
        /// Metric and subscription filters of a log group whose pattern holds a regular expression.
        regex_filters_per_group = 5, "Regex filter patterns per log group";
        /// Live tail sessions of an account.
        live_tail_sessions = 15, "Concurrent Live Tail sessions";
        /// Queries that run at once in an account.
        concurrent_queries = 100, "Concurrent CloudWatch Logs Insights queries";
        /// Subscriptions of a topic.
        subscriptions_per_topic = 12_500_000, "Subscriptions per topic";
    }
}

/// All limits of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// In force always.
    pub(crate) sizes: Sizes,
    /// In force when present.
    pub(crate) quotas: Option<Quotas>,
}

impl Limits {
    /// The defaults with the configuration's `[limits]` over them.
    ///
    /// # Errors
    /// A sentence that names the unknown limit.
    pub(crate) fn from_config(config: &Config) -> Result<Limits, String> {
        let (mut sizes, mut quotas) = (Sizes::default(), Quotas::default());
        for (name, value) in &config.limits {
            if !sizes.set(name, *value) && !quotas.set(name, *value) {
                return Err(format!("`limits.{name}` is not a limit of logboom"));
            }
        }
        Ok(Limits { sizes, quotas: config.aws_quotas.then_some(quotas) })
    }

    /// Cores that guests and the sealer keep off.
    pub(crate) fn request_cores(&self) -> usize {
        usize::try_from(self.sizes.request_cores).unwrap_or(usize::MAX)
    }

    /// The bounds of log data.
    pub(crate) fn store(&self) -> store::Limits {
        store::Limits {
            generation_bytes: self.sizes.memtable_bytes,
            recent_bytes: self.sizes.recent_bytes,
            merge_bytes: self.sizes.merge_segment_bytes,
            cache_bytes: self.sizes.block_cache_bytes,
            ..store::Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_by_name_and_quotas_only_hold_when_asked_for() {
        let mut config = Config::default();
        config.limits.insert("request_bytes".to_owned(), 5);
        config.limits.insert("log_groups".to_owned(), 2);
        let limits = Limits::from_config(&config).unwrap();
        assert_eq!((limits.sizes.request_bytes, limits.quotas), (5, None));
        config.aws_quotas = true;
        assert_eq!(Limits::from_config(&config).unwrap().quotas.unwrap().log_groups, 2);
        let names = Sizes::TABLE.iter().chain(Quotas::TABLE).map(|(name, _, _)| *name);
        let unique: std::collections::BTreeSet<_> = names.clone().collect();
        assert_eq!(unique.len(), names.count(), "one name, one limit");
    }
}
