// Decides event by event: keep it, drop it, or replace its text. Pure: the same batch gives the same answer.
export const filter = {
  apply(context, events) {
    return events.map((event) => ({ tag: event.message.includes('DEBUG') ? 'drop' : 'keep' }));
  },
};
