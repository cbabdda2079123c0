// A matrix-vector unit: PE outputs are computed at once, from SIMD inputs at once.
//
// A vector comes in SF beats of SIMD elements. Each beat is kept for NF clocks, in which it is
// multiplied by its column of weights, PE outputs a clock; the sums go round in NF places. So no
// vector is kept, and the results leave in NF beats of PE sums behind the last beat in.
//
// GROUPED: a beat has SIMD elements for each of the PE outputs, which they alone see (depthwise);
// it is held for one clock, and the next one belongs to the next PE outputs.
// A register follows the memory, the products and every level of adders.

module matvec #(
    parameter int SIMD = 1,
    parameter int PE = 4,
    parameter int SF = 16,                   // beats of a vector
    parameter int NF = 1,                    // clocks a beat
    parameter bit GROUPED = 0,
    parameter int XW = 16,                   // bits of an input
    parameter bit X_SIGNED = 1,
    parameter int WW = 8,                    // bits of a weight; weights are signed
    parameter int CUT = 0,                   // fraction bits that a product loses; negative: gains
    parameter bit ROUND = 0,                 // to the nearest, ties up, instead of down
    parameter int AW = 24,                   // bits of the sums
    parameter int DSPS = 0,                  // products in DSP blocks; the others are made of LUTs
    localparam int LANES = PE * SIMD,
    localparam int DEPTH = SF * NF,          // words of weights, read in turn
    localparam int X_BITS = (GROUPED ? LANES : SIMD) * XW,
    localparam int ADDRESS = (DEPTH > 1) ? $clog2(DEPTH) : 1,
    localparam int PLACE = (NF > 1) ? $clog2(NF) : 1
) (
    input  logic                clk,
    input  logic                rst_n,

    input  logic [X_BITS-1:0]   in_data,
    input  logic                in_valid,
    output logic                in_ready,

    output logic                weights_enable,
    output logic [ADDRESS-1:0]  weights_address,
    input  logic [LANES*WW-1:0] weights,     // a clock after its address, if enabled
    output logic [PLACE-1:0]    biases_address,
    input  logic [PE*AW-1:0]    biases,      // in the same clock

    output logic [PE*AW-1:0]    out_data,
    output logic                out_valid,
    input  logic                out_ready
);
    localparam int SIGNED_XW = X_SIGNED ? XW : XW + 1;
    localparam int PW = SIGNED_XW + WW;
    localparam int LEVELS = (SIMD > 1) ? $clog2(SIMD) : 0;
    localparam int STAGES = 2 + LEVELS;      // clocks from an address to the sum of products
    localparam int SF_BITS = (SF > 1) ? $clog2(SF) : 1;

    wire move = !out_valid || out_ready;
    assign weights_enable = move;

    // Which weights, and where in the vector this is.
    logic [SF_BITS-1:0] beat;
    logic [PLACE-1:0] fold;
    wire last_beat = beat == SF_BITS'(SF - 1);
    wire last_fold = fold == PLACE'(NF - 1);
    wire take = GROUPED || fold == '0;       // the others work on the beat that was taken
    wire active = !take || in_valid;
    wire step = move && active;
    assign in_ready = move && take;

    always_ff @(posedge clk)
        if (!rst_n) begin
            weights_address <= '0;
            beat <= '0;
            fold <= '0;
        end else if (step) begin
            weights_address <= (weights_address == ADDRESS'(DEPTH - 1)) ? '0
                                                                       : weights_address + 1'b1;
            fold <= last_fold ? '0 : fold + 1'b1;
            if (last_fold) beat <= last_beat ? '0 : beat + 1'b1;
        end

    // The input beside the memory's register.
    logic [X_BITS-1:0] x;
    always_ff @(posedge clk) if (move && take) x <= in_data;

    // What goes along with a step through the pipeline.
    logic [STAGES-1:0] valid, first, last;
    always_ff @(posedge clk)
        if (!rst_n) valid <= '0;
        else if (move) valid <= STAGES'({valid, active});
    always_ff @(posedge clk) if (move) begin
        first <= STAGES'({first, beat == '0});
        last <= STAGES'({last, last_beat});
    end

    // Products, each cut to the last bit of the sums.
    wire [PE*AW-1:0] sums;
    generate
        for (genvar p = 0; p < PE; p++) begin : output_
            wire [SIMD*AW-1:0] terms;
            for (genvar s = 0; s < SIMD; s++) begin : lane
                localparam int LANE = p * SIMD + s;
                localparam int SOURCE = GROUPED ? LANE : s;
                wire signed [SIGNED_XW-1:0] factor;
                wire signed [PW-1:0] product_;
                if (X_SIGNED) begin : signed_input
                    assign factor = x[SOURCE*XW +: XW];
                end else begin : unsigned_input
                    assign factor = {1'b0, x[SOURCE*XW +: XW]};
                end
                product #(.XW(SIGNED_XW), .WW(WW), .DSP(LANE < DSPS)) multiply (
                    .clk, .enable(move), .x(factor), .w(weights[LANE*WW +: WW]), .p(product_)
                );
                if (CUT > 0) begin : cut
                    wire signed [PW:0] nearest = (PW+1)'(product_)
                                                 + (ROUND ? (PW+1)'(1) << (CUT - 1) : '0);
                    wire signed [PW:0] shifted = nearest >>> CUT;
                    assign terms[s*AW +: AW] = AW'(shifted);
                    wire unused = &{1'b0, nearest, shifted};
                end else begin : whole
                    assign terms[s*AW +: AW] = AW'(product_) <<< -CUT;
                    wire unused = &{1'b0, product_};
                end
            end
            sum_tree #(.N(SIMD), .W(AW)) add (.clk, .enable(move), .terms, .sum(sums[p*AW +: AW]));
        end
    endgenerate

    // Sums, going round: the newest is in place 0.
    logic [PLACE-1:0]         place;
    assign biases_address = place;
    logic [NF*PE*AW-1:0]      held;
    wire [PE*AW-1:0]          earlier = first[STAGES-1] ? biases : held[(NF-1)*PE*AW +: PE*AW];
    wire                      accumulate = move && valid[STAGES-1];
    wire [PE*AW-1:0]          later;
    generate
        for (genvar p = 0; p < PE; p++) begin : accumulator
            assign later[p*AW +: AW] = earlier[p*AW +: AW] + sums[p*AW +: AW];
        end
        if (NF > 1) begin : several
            always_ff @(posedge clk) if (accumulate) held <= {held[(NF-1)*PE*AW-1:0], later};
        end else begin : single
            always_ff @(posedge clk) if (accumulate) held <= later;
        end
    endgenerate
    assign out_data = held[PE*AW-1:0];

    always_ff @(posedge clk)
        if (!rst_n) begin
            out_valid <= '0;
            place <= '0;
        end else if (move) begin
            out_valid <= valid[STAGES-1] && last[STAGES-1];
            if (valid[STAGES-1]) place <= (place == PLACE'(NF - 1)) ? '0 : place + 1'b1;
        end
endmodule
