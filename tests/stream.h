// What stand-ins for a fabric image have in common: words in and out, one a clock at most, with a
// fixed latency between the last word of a sample and its answer.

#pragma once

#include <cstdint>
#include <deque>

constexpr std::uint64_t kLatency = 20;

struct Word {
    std::uint32_t value;
    bool last;
    std::uint64_t ready;  // the cycle from which it can leave
};

struct Stream {
    std::deque<Word> fifo;
    std::uint64_t cycle = 0;

    void answer(std::uint32_t value, bool last) { fifo.push_back({value, last, cycle + kLatency}); }
};

// fabric_run of tasks/toolchains/open/fabric.h for a Stream with accept(word, last); it takes no word
// while more than `most` wait to leave.
template <class Design>
std::uint64_t run(Design &design, std::size_t most, const std::uint32_t *in, std::uint64_t n_in,
                  int last, std::uint64_t *consumed, std::uint32_t *out, std::uint64_t n_out,
                  std::uint64_t *produced, int *out_last, std::uint64_t max_cycles) {
    *out_last = 0;
    for (std::uint64_t clock = 1; clock <= max_cycles; ++clock) {
        ++design.cycle;
        const bool room = design.fifo.size() <= most;
        if (*produced < n_out && !design.fifo.empty() && design.fifo[0].ready <= design.cycle) {
            out[(*produced)++] = design.fifo[0].value;
            *out_last = design.fifo[0].last;
            design.fifo.pop_front();
        }
        if (*consumed < n_in && room) {
            const std::uint32_t word = in[(*consumed)++];
            design.accept(word, last && *consumed == n_in);
        }
        const bool done = n_out ? *produced == n_out : *consumed == n_in;
        if (done || *out_last) return clock;
    }
    return max_cycles;
}
