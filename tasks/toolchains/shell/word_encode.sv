// Groups of elements into stream words: a float32 each, or as many elements as a word holds.

module word_encode #(
    parameter int W = 16,                    // bits of an element
    parameter int I = 6,
    parameter bit SIGNED = 1,
    parameter int CONTAINER = 0,             // 0: a float32 a word; 8, 16, 32, 64: bits an element
    localparam int GROUP = (CONTAINER == 8) ? 4 : (CONTAINER == 16) ? 2 : 1
) (
    input  logic               clk,
    input  logic               rst_n,

    input  logic [GROUP*W-1:0] group,
    input  logic               group_valid,
    input  logic               group_last,   // its last word gets word_last
    output logic               group_free,   // the group is taken, or there is none

    output logic [31:0]        word,
    output logic               word_valid,
    input  logic               word_ready,
    output logic               word_last
);
    generate
        if (CONTAINER == 0) begin : float32
            wire        move = !word_valid || word_ready;
            logic [2:0] valid, last;

            fixed_to_float #(.W(W), .I(I), .SIGNED(SIGNED))
                convert (.clk, .enable(move), .fixed(group), .float32(word));

            always_ff @(posedge clk)
                if (!rst_n) valid <= '0;
                else if (move) valid <= {valid[1:0], group_valid};
            always_ff @(posedge clk) if (move) last <= {last[1:0], group_last};

            assign group_free = move;
            assign word_valid = valid[2];
            assign word_last = last[2];
        end else if (CONTAINER == 64) begin : packed_pairs
            logic       high;
            wire [63:0] extended = {{(64-W){SIGNED && group[W-1]}}, group};

            always_ff @(posedge clk)
                if (!rst_n) high <= '0;
                else if (word_valid && word_ready) high <= !high;

            assign group_free = !group_valid || (high && word_ready);
            assign word = high ? extended[63:32] : extended[31:0];
            assign word_valid = group_valid;
            assign word_last = high && group_last;
        end else begin : packed_elements
            for (genvar e = 0; e < GROUP; e++) begin : element
                wire sign = SIGNED && group[e*W + W-1];
                wire [W+CONTAINER-1:0] extended = {{CONTAINER{sign}}, group[e*W +: W]};
                assign word[e*CONTAINER +: CONTAINER] = extended[CONTAINER-1:0];
                wire unused = &{1'b0, extended};
            end
            assign group_free = !word_valid || word_ready;
            assign word_valid = group_valid;
            assign word_last = group_last;
        end
    endgenerate

    wire unused = &{1'b0, clk, rst_n};       // not every format needs them
endmodule
