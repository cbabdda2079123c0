// hls4ml's C model behind the interface of tasks/toolchains/hdl/fabric.h: one word a clock in, one
// out, a fixed latency in between, and no registers. A replay: real hardware differs in its times.

#include <cstdint>
#include <cstring>
#include <deque>

namespace {

constexpr std::uint64_t kLatency = 20;

struct Word {
    std::uint32_t value;
    bool last;
    std::uint64_t ready;  // the cycle from which it can leave
};

struct Design {
    input_axi_t in[N_IN];
    output_axi_t out[N_OUT];
    unsigned taken = 0;
    std::deque<Word> fifo;
    std::uint64_t cycle = 0;

    void accept(std::uint32_t word, bool last) {
        float value;
        std::memcpy(&value, &word, sizeof value);
        in[taken].data = value;
        in[taken].last = last;
        if (++taken < N_IN) return;
        taken = 0;
        TOP(in, out);
        for (unsigned i = 0; i < N_OUT; ++i) {
            const float result = out[i].data;
            std::uint32_t bits;
            std::memcpy(&bits, &result, sizeof bits);
            fifo.push_back({bits, out[i].last == 1, cycle + kLatency});
        }
    }
};

}  // namespace

extern "C" {

std::uint32_t fabric_abi() { return 1; }
void *fabric_new() { return new Design; }
void fabric_free(void *fabric) { delete static_cast<Design *>(fabric); }

std::uint64_t fabric_run(void *fabric, const std::uint32_t *in, std::uint64_t n_in, int last,
                         std::uint64_t *consumed, std::uint32_t *out, std::uint64_t n_out,
                         std::uint64_t *produced, int *out_last, std::uint64_t max_cycles) {
    Design &design = *static_cast<Design *>(fabric);
    *out_last = 0;
    for (std::uint64_t clock = 1; clock <= max_cycles; ++clock) {
        ++design.cycle;
        const bool room = design.fifo.size() + N_OUT <= 2 * N_OUT;
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

std::uint32_t fabric_read(void *, std::uint32_t) { return 0; }
void fabric_write(void *, std::uint32_t, std::uint32_t) {}

}  // extern "C"
