// A design that gives the first words of every sample back, with the counters of the real shell.
// ECHO_WORDS="in,out" says how many words a sample has; ECHO_FAULT what is wrong with it:
//   deaf: takes no word; mute: answers none; early: TLAST on the first word of every answer;
//   endless: no TLAST, one word too many at the end; wrong: flips a bit of some samples, always
//   the same; flaky: of others every time; blind: has no counters.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LATENCY = 7, MOST_WORDS = 64, SLOTS = 16, ID = 0x4F464C57 };

struct answer {
    uint64_t ready;
    uint32_t words[MOST_WORDS];
    int last;
};

struct design {
    uint32_t n_in, n_out;
    const char *fault;
    uint64_t cycle, serial, first_in, first_out, last_out;
    uint32_t head, tail, taken, given, samples, in_waits, out_waits;
    int last, seen_in, seen_out;
    uint32_t sample[MOST_WORDS];
    struct answer answers[SLOTS];
};

static int has(const struct design *d, const char *fault) { return !strcmp(d->fault, fault); }

uint32_t fabric_abi(void) { return 1; }

void *fabric_new(void) {
    struct design *d = calloc(1, sizeof *d);
    const char *words = getenv("ECHO_WORDS"), *fault = getenv("ECHO_FAULT");
    char *rest;
    d->n_in = strtoul(words ? words : "4,2", &rest, 10);
    d->n_out = strtoul(rest + 1, 0, 10);
    d->fault = strdup(fault ? fault : "");
    return d;
}

void fabric_free(void *handle) {
    free((char *)((struct design *)handle)->fault);
    free(handle);
}

static void answer(struct design *d) {
    struct answer *a = &d->answers[d->tail % SLOTS];
    memcpy(a->words, d->sample, sizeof a->words);
    a->ready = d->cycle + LATENCY;
    a->last = d->last && !has(d, "endless");
    if (has(d, "wrong") && d->sample[0] % 8 == 3) a->words[0] ^= 1;
    if (has(d, "flaky") && d->serial % 97 == 96) a->words[0] ^= 1;
    if (!has(d, "mute")) d->tail++;
    d->serial++;
    d->taken = d->last = 0;
}

static void take(struct design *d, uint32_t word, int last) {
    if (!d->seen_in++) d->first_in = d->cycle;
    d->sample[d->taken++] = word;
    d->last |= last;
    if (d->taken == d->n_in) answer(d);
}

static uint32_t give(struct design *d, int *last) {
    const struct answer *a = &d->answers[d->head % SLOTS];
    const uint32_t word = a->words[d->given++];
    if (!d->seen_out++) d->first_out = d->cycle;
    d->last_out = d->cycle;
    *last = has(d, "early");
    if (d->given < d->n_out) return word;
    *last |= a->last;
    d->given = 0;
    d->head++;
    d->samples++;
    return word;
}

uint64_t fabric_run(void *handle, const uint32_t *in, uint64_t n_in, int last, uint64_t *consumed,
                    uint32_t *out, uint64_t n_out, uint64_t *produced, int *out_last,
                    uint64_t max_cycles) {
    struct design *d = handle;
    *out_last = 0;
    for (uint64_t cycles = 1; cycles <= max_cycles; cycles++, d->cycle++) {
        const int ready = d->tail - d->head < SLOTS && !has(d, "deaf");
        const int valid = d->head != d->tail && d->answers[d->head % SLOTS].ready <= d->cycle;
        if (valid && *produced < n_out) out[(*produced)++] = give(d, out_last);
        else if (valid) d->out_waits++;
        if (ready && *consumed < n_in) {
            const uint32_t word = in[(*consumed)++];
            take(d, word, last && *consumed == n_in);
        } else if (*consumed < n_in) d->in_waits++;
        if (*out_last || (n_out ? *produced == n_out : *consumed == n_in)) {
            d->cycle++;
            return cycles;
        }
    }
    return max_cycles;
}

uint32_t fabric_read(void *handle, uint32_t address) {
    const struct design *d = handle;
    const uint64_t first = d->seen_out ? d->first_out - d->first_in : 0;
    const uint64_t latest = d->seen_out ? d->last_out - d->first_in : 0;
    const uint32_t registers[] = {
        ID, 1, 0, 0, d->samples, d->in_waits, d->out_waits, 0,
        first, first >> 32, latest, latest >> 32,
    };
    return address / 4 < 12 && !has(d, "blind") ? registers[address / 4] : 0;
}

void fabric_write(void *handle, uint32_t address, uint32_t value) {
    struct design *d = handle;
    if (address != 0x08 || !(value & 1)) return;
    d->seen_in = d->seen_out = 0;
    d->samples = d->in_waits = d->out_waits = 0;
}
