// Short names for a subscription handler in C. Everything else is in `generated/subscription_handler.h`.
#ifndef LOGBOOM_SUBSCRIPTION_H
#define LOGBOOM_SUBSCRIPTION_H

#include <string.h>

#include "generated/subscription_handler.h"

typedef subscription_handler_string_t text;
typedef logboom_extension_types_log_event_t log_event;
typedef exports_logboom_extension_subscription_list_log_event_t log_events;
typedef logboom_extension_types_batch_context_t batch_context;
// Indexes of events to hand over again; `(batch_outcome){0}` when all are done.
typedef logboom_extension_types_batch_outcome_t batch_outcome;
typedef logboom_extension_types_handler_error_t handler_error;

// The function to write: true when the batch was handled, false after filling in `error`.
#define handle exports_logboom_extension_subscription_handle
bool handle(batch_context *context, log_events *events, batch_outcome *outcome, handler_error *error);

// Writes one line to the function's own log group.
static inline void log_info(const char *line) {
    text message = {(uint8_t *)line, strlen(line)};
    logboom_extension_log_write(LOGBOOM_EXTENSION_LOG_LEVEL_INFO, &message);
}

#endif
