// Clocks a core: packed inputs come on stdin, one sample a clock, packed outputs go to stdout.
#include <cstring>
#include <iostream>
#include <vector>

#include "Vcore.h"

int main() {
    Vcore core;
    std::vector<char> inp(sizeof core.inp), out(sizeof core.out);
    while (std::cin.read(inp.data(), static_cast<std::streamsize>(inp.size()))) {
        std::memcpy(&core.inp, inp.data(), inp.size());
        core.clk = 0;
        core.eval();
        core.clk = 1;
        core.eval();
        std::memcpy(out.data(), &core.out, out.size());
        std::cout.write(out.data(), static_cast<std::streamsize>(out.size()));
    }
}
