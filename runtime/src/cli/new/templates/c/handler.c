/* Gets the events that match a subscription filter, in batches. */
#include <stdio.h>

#include "subscription.h"

bool handle(batch_context *context, log_events *events, batch_outcome *outcome, handler_error *error) {
    (void)error;
    for (size_t i = 0; i < events->len; i++) {
        char line[1024];
        text group = context->log_group, message = events->ptr[i].message;
        snprintf(line, sizeof line, "%.*s: %.*s", (int)group.len, group.ptr, (int)message.len, message.ptr);
        log_info(line);
    }
    *outcome = (batch_outcome){0};
    return true;
}
