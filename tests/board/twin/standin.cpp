// A small design that stands in for a fabric image: samples of four float32 words give two, the
// sums of the first and of the last pair. TLAST, back-pressure and registers as a real one has.

#include "../../stream.h"

#include <cstring>
#include <vector>

namespace {

constexpr std::size_t kSample = 4;
constexpr std::size_t kFifo = 8;
constexpr std::uint32_t kId = 0x4F464C57;

struct Design : Stream {
    std::vector<std::uint32_t> sample;
    bool last = false;
    std::uint32_t scratch = 0;

    void accept(std::uint32_t word, bool tlast) {
        sample.push_back(word);
        last |= tlast;
        if (sample.size() < kSample) return;
        float in[kSample], out[2];
        std::memcpy(in, sample.data(), sizeof in);
        out[0] = in[0] + in[1];
        out[1] = in[2] + in[3];
        std::uint32_t words[2];
        std::memcpy(words, out, sizeof words);
        answer(words[0], false);
        answer(words[1], last);
        sample.clear();
        last = false;
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
    return run(design, kFifo - 2, in, n_in, last, consumed, out, n_out, produced, out_last, max_cycles);
}

std::uint32_t fabric_read(void *fabric, std::uint32_t address) {
    return address == 0 ? kId : static_cast<Design *>(fabric)->scratch;
}

void fabric_write(void *fabric, std::uint32_t, std::uint32_t value) {
    static_cast<Design *>(fabric)->scratch = value;
}

}  // extern "C"
