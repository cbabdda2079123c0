// A design as a shared library: what a fabric image holds, and the twin loads.
//
// Functions of one handle must not run at the same time; different handles are independent.

#ifndef OVERLAYFLOW_FABRIC_H
#define OVERLAYFLOW_FABRIC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The version of this interface: 1.
uint32_t fabric_abi(void);

// A design that has been reset and is ready; NULL when there is no memory for it.
void *fabric_new(void);
void fabric_free(void *fabric);

// Runs the clock until
//   - *produced == n_out, with n_out > 0, or
//   - the design sent a word with TLAST, or
//   - *consumed == n_in, with n_out == 0, or
//   - max_cycles clocks were run,
// and returns the number of clocks run.
//
// The words in[*consumed .. n_in) are offered in every clock (TVALID); TLAST goes with in[n_in - 1]
// if `last` is not 0. A word is accepted (TREADY) in every clock while *produced < n_out, and put
// at out[*produced]. *consumed and *produced are moved on; *out_last becomes 1 if the last word
// that this call accepted had TLAST, else 0.
uint64_t fabric_run(void *fabric, const uint32_t *in, uint64_t n_in, int last, uint64_t *consumed,
                    uint32_t *out, uint64_t n_out, uint64_t *produced, int *out_last,
                    uint64_t max_cycles);

// One access to a register over AXI4-Lite; the clock runs as long as it takes.
uint32_t fabric_read(void *fabric, uint32_t address);
void fabric_write(void *fabric, uint32_t address, uint32_t value);

#ifdef __cplusplus
}
#endif

#endif
