// Compares the shell's converters with the ap_fixed that hls4ml's C simulation computes with.
// Prints what differs; reads random values and the formats from conversions.inc.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>

#include "Vconversions.h"
#include "ap_fixed.h"

namespace {

uint32_t bits_of(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

float float_of(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

uint64_t element(const WData *words, int index) {
    return words[2 * index] | uint64_t(words[2 * index + 1]) << 32;
}

int failures = 0;

template <class T> void check_fixed(uint32_t given, const WData *results, int index, const char *name) {
    const T expected(float_of(given));
    const uint64_t raw = expected.range(T::width - 1, 0).to_uint64();
    if (element(results, index) == raw || ++failures > 20) return;
    std::printf("%s of %08x (%.9g): ap_fixed %llx, shell %llx\n", name, given, float_of(given),
                (unsigned long long)raw, (unsigned long long)element(results, index));
}

template <class T> void check_float(uint64_t raw, const WData *results, int index, const char *name) {
    T value;
    value.range(T::width - 1, 0) = raw & (~0ull >> (64 - T::width));
    const float expected = value;
    if (results[index] == bits_of(expected) || ++failures > 20) return;
    std::printf("float of %s %llx: ap_fixed %08x, shell %08x\n", name, (unsigned long long)raw,
                bits_of(expected), results[index]);
}

// Values of every magnitude, and many near those that rounding and saturation decide about.
uint32_t next_float(std::mt19937_64 &random) {
    const uint64_t r = random();
    switch (r % 8) {
        case 0: return r >> 32;
        case 1: return bits_of(float(int64_t(r) >> 3) * std::ldexp(1.0f, -int(r >> 3 & 63)));
        case 2: return (r >> 32 & 0x80000000) | (r >> 8 & 0x807fffff);  // zero, denormals
        case 3: return (r >> 32 & 0x80000000) | 0x7f800000 | (r & 0x400 ? r >> 40 & 0x7fffff : 0);
        default: {
            // A few significant bits about the point, then perhaps the next float to it.
            const int64_t mantissa = int64_t(r) >> (52 + (r >> 3 & 7));
            const uint32_t bits = bits_of(std::ldexp(float(mantissa), int(r >> 6 & 31) - 18));
            return bits + int(r >> 11 & 3) % 3 - (mantissa ? 1 : 0);
        }
    }
}

}  // namespace

int main() {
    Vconversions top;
    std::mt19937_64 random(1);
    uint32_t floats[3] = {};
    uint64_t raws[3] = {};
    for (int clock = 0; clock < CLOCKS; ++clock) {
        std::memmove(floats + 1, floats, sizeof floats - sizeof *floats);
        std::memmove(raws + 1, raws, sizeof raws - sizeof *raws);
        top.given_float = floats[0] = next_float(random);
        top.given_raw = raws[0] = int64_t(random()) >> (random() & 63);
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        if (clock < 3) continue;
        const uint32_t given = floats[1];
        const uint64_t raw = raws[2];
#include "conversions.inc"
    }
    std::printf("%d differences\n", failures);
    return failures != 0;
}
