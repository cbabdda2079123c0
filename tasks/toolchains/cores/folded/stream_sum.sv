// Sums of beats of N elements, one sum for each of CHANNELS beats in turn: after COUNT rounds, the
// sums of all channels come out. Each addition saturates or wraps, in the order of the beats.

module stream_sum #(
    parameter int N = 1,
    parameter int CHANNELS = 1,
    parameter int COUNT = 2,
    parameter int XW = 8,                    // bits of an element
    parameter int X_SIGNED = 1,
    parameter int SHIFT = 0,                 // fraction bits of a sum beyond those of an element
    parameter int W = 16,                    // bits of a sum
    parameter int SIGNED = 1,
    parameter logic [N-1:0] SATURATES = '0,
    parameter logic [N*(W+1)-1:0] LOW = '0,  // where sums saturate, signed
    parameter logic [N*(W+1)-1:0] HIGH = '0,
    parameter logic [N*8-1:0] WIDTHS = '0,   // bits of the sums that wrap
    parameter logic [N-1:0] SIGNS = '0       // whether these are signed
) (
    input  logic            clk,
    input  logic            rst_n,

    input  logic [N*XW-1:0] in_data,
    input  logic            in_valid,
    output logic            in_ready,

    output logic [N*W-1:0]  out_data,
    output logic            out_valid,
    input  logic            out_ready
);
    localparam int C = (CHANNELS > 1) ? $clog2(CHANNELS) : 1;
    localparam int R = (COUNT > 1) ? $clog2(COUNT) : 1;
    localparam int F = ((XW + SHIFT > W) ? XW + SHIFT : W) + 2;

    logic [N*W-1:0] memory [CHANNELS];
    logic [C-1:0]   channel;
    logic [R-1:0]   round;
    wire last_channel = channel == C'(CHANNELS - 1);
    wire last_round = round == R'(COUNT - 1);
    wire take = in_valid && in_ready;
    wire [N*W-1:0] earlier = (round == '0) ? '0 : memory[channel];
    wire [N*W-1:0] sums;

    assign in_ready = !last_round || !out_valid || out_ready;

    generate
        for (genvar k = 0; k < N; k++) begin : element
            localparam int K = int'(WIDTHS[k*8 +: 8]);
            wire [XW-1:0] x = in_data[k*XW +: XW];
            wire [W-1:0]  sum = earlier[k*W +: W];
            wire signed [F-1:0] x_wide = {{(F-XW){X_SIGNED != 0 && x[XW-1]}}, x};
            wire signed [F-1:0] sum_wide = {{(F-W){SIGNED != 0 && sum[W-1]}}, sum};
            wire signed [F-1:0] total = sum_wide + (x_wide <<< SHIFT);
            if (SATURATES[k]) begin : saturates
                localparam logic signed [W:0] L = LOW[k*(W+1) +: W+1];
                localparam logic signed [W:0] H = HIGH[k*(W+1) +: W+1];
                localparam logic signed [F-1:0] LEAST = F'(L);
                localparam logic signed [F-1:0] MOST = F'(H);
                assign sums[k*W +: W] = (total < LEAST) ? L[W-1:0]
                                      : (total > MOST) ? H[W-1:0] : total[W-1:0];
            end else if (K == W) begin : wraps
                assign sums[k*W +: W] = total[W-1:0];
            end else begin : wraps_below
                assign sums[k*W +: W] = {{(W-K){SIGNS[k] && total[K-1]}}, total[K-1:0]};
            end
            wire unused = &{1'b0, total};
        end
    endgenerate

    always_ff @(posedge clk) if (take) memory[channel] <= sums;
    always_ff @(posedge clk) if (take && last_round) out_data <= sums;

    always_ff @(posedge clk)
        if (!rst_n) begin
            channel <= '0;
            round <= '0;
            out_valid <= '0;
        end else begin
            out_valid <= (take && last_round) || (out_valid && !out_ready);
            if (take) begin
                channel <= last_channel ? '0 : channel + 1'b1;
                if (last_channel) round <= last_round ? '0 : round + 1'b1;
            end
        end
endmodule
