// One float32 a clock into a fixed-point number, with the semantics of ap_fixed(float).
//
// The value is taken exactly; bits right of the last one are rounded away as ROUNDING says, then
// a value out of range is wrapped or replaced as SATURATION says. Infinities and NaNs are what
// ap_fixed makes of them: finite values beyond every range, of the same sign.
// Two register stages; `fixed` belongs to the word that entered two enabled clocks before.

module float_to_fixed #(
    parameter int W = 16,                    // bits of the fixed-point number
    parameter int I = 6,                     // of which left of the point; -32 <= I <= 64
    parameter bit SIGNED = 1,
    parameter logic [87:0] ROUNDING = "TRN",     // ap_q_mode without AP_
    parameter logic [63:0] SATURATION = "WRAP"   // ap_o_mode without AP_
) (
    input  logic         clk,
    input  logic         enable,
    input  logic [31:0]  float32,
    output logic [W-1:0] fixed
);
    // A magnitude is held in a window of W bits, from 2^(I-1) down to the last bit. Wrapping needs
    // a mantissa's low bits even when its high ones are beyond the window: hence the headroom.
    localparam int HEADROOM = (SATURATION == "WRAP") ? 23 : 0;
    localparam int TOP = I - 1 + HEADROOM;          // exponent of the shifter's first bit
    localparam int FAR = HEADROOM + W + 1;          // shift that leaves a mantissa all sticky
    localparam int SPAN = FAR + 24;                 // bits of the shifter

    // Stage 1: sign, mantissa and how far it lies below the shifter's first bit.
    wire  [7:0]              exponent = float32[30:23];
    wire  signed [10:0]      below = 11'(TOP + 127) - 11'((exponent == 0) ? 8'd1 : exponent);
    logic                    sign, beyond;
    logic [23:0]             mantissa;
    logic [$clog2(FAR+1)-1:0] shift;

    always_ff @(posedge clk) if (enable) begin
        sign     <= float32[31];
        mantissa <= (below < 0) ? '0 : {exponent != 0, float32[22:0]};
        beyond   <= below < 0;
        shift    <= (below > 11'(FAR)) ? ($clog2(FAR+1))'(FAR) : ($clog2(FAR+1))'(below);
    end

    // Stage 2: the magnitude in place, the first bit below it, and whether any other is set.
    wire  [SPAN-1:0] placed = {mantissa, {FAR{1'b0}}} >> shift;
    logic            negative, too_big, half, rest;
    logic [W-1:0]    magnitude;

    always_ff @(posedge clk) if (enable) begin
        negative  <= sign;
        too_big   <= beyond || |(placed >> (W + 25));
        magnitude <= placed[25 +: W];
        half      <= placed[24];
        rest      <= |placed[23:0];
    end

    // Rounding: whether the magnitude grows by one.
    wire grow = (ROUNDING == "TRN")         ? negative && (half || rest)
              : (ROUNDING == "TRN_ZERO")    ? 1'b0
              : (ROUNDING == "RND")         ? half && (!negative || rest)
              : (ROUNDING == "RND_ZERO")    ? half && rest
              : (ROUNDING == "RND_INF")     ? half
              : (ROUNDING == "RND_MIN_INF") ? half && (negative || rest)
              : /* RND_CONV */                half && (rest || magnitude[0]);

    // +-(magnitude + grow) with one adder, and two bits more than the number has.
    wire [W+1:0] value = ({2'b00, magnitude} ^ {(W+2){negative}}) + (W+2)'(negative ^ grow);
    wire fits = SIGNED ? (value[W+1:W-1] == '0 || value[W+1:W-1] == '1) : (value[W+1:W] == '0);
    localparam logic [W-1:0] LOWEST = W'(SIGNED) << (W - 1);
    localparam bit SYMMETRIC = SIGNED && SATURATION == "SAT_SYM";
    wire out_of_range = too_big || !fits || (SYMMETRIC && value[W-1:0] == LOWEST);
    wire [W-1:0] limit = (SATURATION == "SAT_ZERO") ? '0
                       : !negative                  ? ~LOWEST
                       : LOWEST | W'(SYMMETRIC);
    assign fixed = (out_of_range && SATURATION != "WRAP") ? limit : value[W-1:0];
endmodule
