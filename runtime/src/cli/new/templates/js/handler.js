// Gets the events that match a subscription filter, in batches.
import { write } from 'logboom:extension/log@0.1.0';

export const subscription = {
  handle(context, events) {
    for (const event of events) {
      write('info', `${context.logGroup}: ${event.message}`);
    }
    return { failed: [] };
  },
};
