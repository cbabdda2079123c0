// Drives modules that read one stream and write another, all at once, in fits and starts.
// Argument: the seed. Reads in_0, in_1, ... (a hexadecimal word a line), writes out_0, out_1, ...

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "Vbench.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

int main(int, char **arguments) {
    std::mt19937 random(std::atoi(arguments[1]));
    std::vector<std::vector<uint64_t>> given(MODULES), answered(MODULES);
    for (int i = 0; i < MODULES; ++i) {
        std::FILE *file = std::fopen(("in_" + std::to_string(i)).c_str(), "r");
        uint64_t word;
        while (std::fscanf(file, "%" SCNx64, &word) == 1) given[i].push_back(word);
        std::fclose(file);
    }
    Vbench top;
    std::vector<size_t> sent(MODULES);
    uint64_t valid = 0;
    const auto clock = [&] { top.clk = 0, top.eval(), top.clk = 1, top.eval(); };
    top.rst_n = 0, top.in_valid = 0, top.out_ready = 0;
    for (int i = 0; i < 3; ++i) clock();
    top.rst_n = 1;
    for (int now = 0; now < CLOCKS; ++now) {
        uint64_t ready = 0;
        for (int i = 0; i < MODULES; ++i) {
            // Each second thousand of clocks without stalls: data then move in every clock.
            const bool full = now / 1000 % 2;
            if (sent[i] < given[i].size() && (full || random() % 3)) valid |= uint64_t(1) << i;
            if (full || random() % 3) ready |= uint64_t(1) << i;
            if (valid >> i & 1) {
                top.in_data[2 * i] = given[i][sent[i]];
                top.in_data[2 * i + 1] = given[i][sent[i]] >> 32;
            }
        }
        top.in_valid = valid, top.out_ready = ready;
        top.clk = 0, top.eval();
        const uint64_t taken = valid & top.in_ready, came = top.out_valid & ready;
        for (int i = 0; i < MODULES; ++i) {
            if (came >> i & 1)
                answered[i].push_back(top.out_data[2 * i] | uint64_t(top.out_data[2 * i + 1]) << 32);
            if (taken >> i & 1) ++sent[i];
        }
        valid &= ~taken;
        top.clk = 1, top.eval();
    }
    for (int i = 0; i < MODULES; ++i) {
        std::FILE *file = std::fopen(("out_" + std::to_string(i)).c_str(), "w");
        for (const uint64_t word : answered[i]) std::fprintf(file, "%" PRIx64 "\n", word);
        std::fclose(file);
    }
}
