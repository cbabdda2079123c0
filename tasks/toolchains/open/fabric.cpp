// Drives the Verilated design `Vfabric`, clock by clock, behind the interface of fabric.h.

#include "fabric.h"

#include <new>

#include "Vfabric.h"
#include "verilated.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kResetClocks = 16;

struct Fabric {
    VerilatedContext context;
    Vfabric top{&context, "fabric"};

    Fabric() {
        top.aresetn = 0;
        for (int clock = 0; clock < kResetClocks; ++clock) tick();
        top.aresetn = 1;
    }
    ~Fabric() { top.final(); }

    // Inputs change before it; outputs are settled after it.
    void tick() {
        top.aclk = 1;
        top.eval();
        top.aclk = 0;
        top.eval();
    }
};

Fabric &design(void *fabric) { return *static_cast<Fabric *>(fabric); }

}  // namespace

EXPORT uint32_t fabric_abi(void) { return 1; }

EXPORT void *fabric_new(void) {
    try {
        return new Fabric;
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

EXPORT void fabric_free(void *fabric) { delete static_cast<Fabric *>(fabric); }

EXPORT uint64_t fabric_run(void *fabric, const uint32_t *in, uint64_t n_in, int last,
                           uint64_t *consumed, uint32_t *out, uint64_t n_out, uint64_t *produced,
                           int *out_last, uint64_t max_cycles) {
    Vfabric &top = design(fabric).top;
    uint64_t cycles = 0;
    bool finished = false;
    *out_last = 0;
    while (!finished && cycles < max_cycles &&
           (n_out > 0 ? *produced < n_out : *consumed < n_in)) {
        const bool offer = *consumed < n_in;
        top.s_axis_tvalid = offer;
        if (offer) {
            top.s_axis_tdata = in[*consumed];
            top.s_axis_tlast = last && *consumed + 1 == n_in;
        }
        top.m_axis_tready = n_out > 0;
        // AXI lets no output depend on an input within a clock: the handshakes are known already.
        if (top.m_axis_tvalid && n_out > 0) {
            out[(*produced)++] = top.m_axis_tdata;
            finished = *out_last = top.m_axis_tlast;
        }
        if (offer && top.s_axis_tready) ++*consumed;
        design(fabric).tick();
        ++cycles;
    }
    top.s_axis_tvalid = 0;
    top.m_axis_tready = 0;
    return cycles;
}

EXPORT uint32_t fabric_read(void *fabric, uint32_t address) {
    Vfabric &top = design(fabric).top;
    top.s_axi_control_araddr = address;
    top.s_axi_control_arvalid = 1;
    top.s_axi_control_rready = 1;
    while (!top.s_axi_control_arready) design(fabric).tick();
    design(fabric).tick();
    top.s_axi_control_arvalid = 0;
    while (!top.s_axi_control_rvalid) design(fabric).tick();
    const uint32_t value = top.s_axi_control_rdata;
    design(fabric).tick();
    top.s_axi_control_rready = 0;
    return value;
}

EXPORT void fabric_write(void *fabric, uint32_t address, uint32_t value) {
    Vfabric &top = design(fabric).top;
    top.s_axi_control_awaddr = address;
    top.s_axi_control_awvalid = 1;
    top.s_axi_control_wdata = value;
    top.s_axi_control_wstrb = 0xF;
    top.s_axi_control_wvalid = 1;
    top.s_axi_control_bready = 1;
    while (!top.s_axi_control_awready || !top.s_axi_control_wready) design(fabric).tick();
    design(fabric).tick();
    top.s_axi_control_awvalid = 0;
    top.s_axi_control_wvalid = 0;
    while (!top.s_axi_control_bvalid) design(fabric).tick();
    design(fabric).tick();
    top.s_axi_control_bready = 0;
}
