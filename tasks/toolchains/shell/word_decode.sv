// Stream words into groups of elements: a float32 a word, or as many elements as a word holds.
//
// Everything moves while `move` is high, and stands still while it is not.

module word_decode #(
    parameter int W = 16,                    // bits of an element
    parameter int I = 6,
    parameter bit SIGNED = 1,
    parameter logic [87:0] ROUNDING = "TRN",
    parameter logic [63:0] SATURATION = "WRAP",
    parameter int CONTAINER = 0,             // 0: a float32 a word; 8, 16, 32, 64: bits an element
    localparam int GROUP = (CONTAINER == 8) ? 4 : (CONTAINER == 16) ? 2 : 1
) (
    input  logic               clk,
    input  logic               rst_n,
    input  logic               move,

    input  logic [31:0]        word,
    input  logic               word_valid,
    input  logic               word_last,

    output logic [GROUP*W-1:0] group,
    output logic               group_valid,
    output logic               group_last    // a word of the group had word_last
);
    generate
        if (CONTAINER == 0) begin : float32
            logic [1:0] valid, last;

            float_to_fixed #(
                .W(W), .I(I), .SIGNED(SIGNED), .ROUNDING(ROUNDING), .SATURATION(SATURATION)
            ) convert (.clk, .enable(move), .float32(word), .fixed(group));

            always_ff @(posedge clk)
                if (!rst_n) valid <= '0;
                else if (move) valid <= {valid[0], word_valid};
            always_ff @(posedge clk) if (move) last <= {last[0], word_last};

            assign group_valid = valid[1];
            assign group_last = last[1];
        end else if (CONTAINER == 64) begin : packed_pairs
            logic        high, low_last;
            logic [31:0] low;

            always_ff @(posedge clk)
                if (!rst_n) high <= '0;
                else if (move && word_valid) high <= !high;
            always_ff @(posedge clk) if (move && word_valid) {low_last, low} <= {word_last, word};

            assign group = {word[W-33:0], low};
            assign group_valid = word_valid && high;
            assign group_last = word_last || low_last;
        end else begin : packed_elements
            for (genvar e = 0; e < GROUP; e++) begin : element
                assign group[e*W +: W] = word[e*CONTAINER +: W];
            end
            assign group_valid = word_valid;
            assign group_last = word_last;
        end
    endgenerate

    wire unused = &{1'b0, clk, rst_n, move, word};  // not every format needs all of them
endmodule
