// Keeps one event in so many of each kind, and writes on it how many it stands for: `stats sum(sampleWeight)` counts
// exactly what came in, whatever was dropped. Errors and whatever is rare are always there. Attach it to a log group as
// its inline transformer. Setting: KEEP_ONE_IN (10 if not given), of each kind in one batch.
//
// Two events are of one kind when they differ in digits only. A JSON object gets `"sampleWeight":N` as its first
// member, other text ` sampleWeight=N` at its end; an event that stands for itself alone gets 1.

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"

#define KINDS 4096

// Open addressing; a kind that finds no place is kept whole.
typedef struct {
    uint64_t hash;
    size_t keeper, count;
} kind;

static uint64_t hash_of(const text *message) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < message->len; i++) {
        uint8_t byte = isdigit(message->ptr[i]) ? '0' : message->ptr[i];
        // A run of digits is one.
        if (byte == '0' && i > 0 && isdigit(message->ptr[i - 1])) continue;
        hash = (hash ^ byte) * 0x100000001b3;
    }
    return hash | 1;
}

static bool has(const text *message, const char *word) {
    return memmem(message->ptr, message->len, word, strlen(word)) != NULL;
}

static verdict weighed(const text *message, size_t weight) {
    verdict given = {.tag = REPLACE};
    text *out = &given.val.replace;
    out->ptr = malloc(message->len + 48);
    bool object = message->len > 2 && message->ptr[0] == '{' && message->ptr[1] == '"';
    int length = (int)message->len;
    out->len = object ? sprintf((char *)out->ptr, "{\"sampleWeight\":%zu,%.*s", weight, length - 1, message->ptr + 1)
                      : sprintf((char *)out->ptr, "%.*s sampleWeight=%zu", length, message->ptr, weight);
    return given;
}

bool apply(batch_context *context, log_events *events, verdicts *given, text *error) {
    kind *kinds = calloc(KINDS, sizeof *kinds);
    text name = {(uint8_t *)"KEEP_ONE_IN", 11}, value;
    size_t one_in = 10;
    if (logboom_extension_config_get(&name, &value) && value.len < 9) {
        char number[10] = {0};
        one_in = strtoul(memcpy(number, value.ptr, value.len), NULL, 10);
    }
    given->len = events->len;
    given->ptr = calloc(events->len + 1, sizeof *given->ptr);
    size_t *weights = calloc(events->len + 1, sizeof *weights);
    for (size_t i = 0; i < events->len; i++) {
        const text *message = &events->ptr[i].message;
        uint64_t hash = hash_of(message);
        kind *at = &kinds[hash % KINDS];
        for (int tries = 0; tries < 16 && at->hash && at->hash != hash; tries++) at = &kinds[(at - kinds + 1) % KINDS];
        bool known = at->hash == hash && at->count < one_in;
        bool always = has(message, "ERROR") || has(message, "FATAL") || has(message, "\"error\"");
        if (always || (at->hash && at->hash != hash)) weights[i] = 1;
        else if (known) at->count++, weights[at->keeper]++;
        else *at = (kind){hash, i, 1}, weights[i] = 1;
    }
    for (size_t i = 0; i < events->len; i++)
        given->ptr[i] = weights[i] ? weighed(&events->ptr[i].message, weights[i]) : (verdict){.tag = DROP};
    return true;
}
