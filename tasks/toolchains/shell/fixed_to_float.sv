// One fixed-point number a clock into a float32: exact up to 24 significant bits, to the nearest,
// ties to even, beyond. Three register stages.

module fixed_to_float #(
    parameter int W = 16,                    // bits of the fixed-point number
    parameter int I = 6,                     // of which left of the point; -32 <= I <= 64
    parameter bit SIGNED = 1
) (
    input  logic         clk,
    input  logic         enable,
    input  logic [W-1:0] fixed,
    output logic [31:0]  float32
);
    localparam int STEPS = $clog2(W + 1);
    localparam int SPAN = (W > 24) ? W : 24;       // bits of the normalised magnitude

    // Stage 1: sign and magnitude.
    wire          below_zero = SIGNED && fixed[W-1];
    logic         sign_1;
    logic [W-1:0] magnitude;

    always_ff @(posedge clk) if (enable) begin
        sign_1    <= below_zero;
        magnitude <= (fixed ^ {W{below_zero}}) + W'(below_zero);
    end

    // Stage 2: the first set bit moved to the top, counting the places.
    wire [SPAN-1:0]  step [STEPS+1];
    wire [STEPS-1:0] places;
    generate
        assign step[STEPS] = SPAN'(magnitude) << (SPAN - W);
        for (genvar k = STEPS - 1; k >= 0; k--) begin : normalise
            localparam int HOP = (2 ** k < SPAN) ? 2 ** k : SPAN;
            assign places[k] = step[k+1][SPAN-1 -: HOP] == '0;
            assign step[k] = places[k] ? step[k+1] << HOP : step[k+1];
        end
    endgenerate

    logic             sign_2, zero;
    logic [SPAN-1:0]  normal;
    logic [STEPS-1:0] leading_zeros;

    always_ff @(posedge clk) if (enable) begin
        sign_2        <= sign_1;
        zero          <= magnitude == '0;
        normal        <= step[0];
        leading_zeros <= places;
    end

    // Stage 3: rounding to 24 bits; a carry out of the mantissa is one more in the exponent.
    wire up;
    generate
        if (SPAN == 24) begin : exact
            assign up = 1'b0;
        end else if (SPAN == 25) begin : tie_only
            assign up = normal[0] && normal[1];
        end else begin : nearest_even
            assign up = normal[SPAN-25] && (normal[SPAN-24] || |normal[SPAN-26:0]);
        end
    endgenerate
    wire [7:0] exponent = 8'(I - 1 + 127) - 8'(leading_zeros);

    always_ff @(posedge clk) if (enable)
        float32 <= zero ? '0 : {sign_2, {exponent, normal[SPAN-2 -: 23]} + 31'(up)};

    wire unused = &{1'b0, normal};           // the first bit is always set
endmodule
