// Short names for a filter in C. Everything else is in `generated/event_filter.h`.
#ifndef LOGBOOM_FILTER_H
#define LOGBOOM_FILTER_H

#include "generated/event_filter.h"

typedef event_filter_string_t text;
typedef logboom_extension_types_log_event_t log_event;
typedef exports_logboom_extension_filter_list_log_event_t log_events;
typedef logboom_extension_types_batch_context_t batch_context;
typedef exports_logboom_extension_filter_verdict_t verdict;
typedef exports_logboom_extension_filter_list_verdict_t verdicts;

#define KEEP EXPORTS_LOGBOOM_EXTENSION_FILTER_VERDICT_KEEP
#define DROP EXPORTS_LOGBOOM_EXTENSION_FILTER_VERDICT_DROP
// With `val.replace` in place of the message.
#define REPLACE EXPORTS_LOGBOOM_EXTENSION_FILTER_VERDICT_REPLACE

// The function to write: true with one verdict per event, false after filling in why it could not decide. What it
// gives is freed by the caller, so it comes from malloc.
#define apply exports_logboom_extension_filter_apply
bool apply(batch_context *context, log_events *events, verdicts *given, text *error);

#endif
