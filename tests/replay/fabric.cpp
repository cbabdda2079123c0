// hls4ml's C model behind the interface of tasks/toolchains/open/fabric.h: one word a clock in, one
// out, a fixed latency in between, and no registers. A replay: real hardware differs in its times.

#include "../stream.h"

#include <cstring>

namespace {

struct Design : Stream {
    input_axi_t in[N_IN];
    output_axi_t out[N_OUT];
    unsigned taken = 0;

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
            answer(bits, out[i].last == 1);
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
    auto &design = *static_cast<Design *>(fabric);
    return run(design, N_OUT, in, n_in, last, consumed, out, n_out, produced, out_last, max_cycles);
}

std::uint32_t fabric_read(void *, std::uint32_t) { return 0; }
void fabric_write(void *, std::uint32_t, std::uint32_t) {}

}  // extern "C"
