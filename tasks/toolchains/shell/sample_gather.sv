// Stream words in, whole samples out.
//
// The elements of a sample pass through one shift register, which the core reads in place: a
// complete sample stands there for one clock, or until it is taken. So a sample costs as many
// clocks as it has words, and no second copy of it is kept.

module sample_gather #(
    parameter int N = 16,                    // elements of a sample
    parameter int W = 16,                    // bits of an element
    parameter int I = 6,
    parameter bit SIGNED = 1,
    parameter logic [87:0] ROUNDING = "TRN",
    parameter logic [63:0] SATURATION = "WRAP",
    parameter int CONTAINER = 0              // 0: a float32 a word; 8, 16, 32, 64: bits an element
) (
    input  logic           clk,
    input  logic           rst_n,

    input  logic [31:0]    word,
    input  logic           word_valid,
    output logic           word_ready,
    input  logic           word_last,

    output logic [N*W-1:0] sample,
    output logic           sample_valid,
    input  logic           sample_ready,     // must not depend on sample_valid
    output logic           sample_last       // a word of the sample had word_last
);
    // Elements that come at once.
    localparam int GROUP = (CONTAINER == 8) ? 4 : (CONTAINER == 16) ? 2 : 1;
    localparam int GROUPS = (N + GROUP - 1) / GROUP;

    // Everything stands still only while a complete sample cannot be taken.
    wire move = !sample_valid || sample_ready;
    assign word_ready = move;

    logic [GROUP*W-1:0] group;
    logic               group_valid, group_last;

    word_decode #(
        .W(W), .I(I), .SIGNED(SIGNED), .ROUNDING(ROUNDING), .SATURATION(SATURATION),
        .CONTAINER(CONTAINER)
    ) decode (.clk, .rst_n, .move, .word, .word_valid, .word_last, .group, .group_valid, .group_last);

    // The last group enters at the top, so the first one has then reached the bottom.
    localparam int STORE = GROUPS * GROUP * W;
    localparam int COUNT = (GROUPS > 1) ? $clog2(GROUPS) : 1;
    logic [STORE-1:0] store;
    logic [COUNT-1:0] count;
    logic             any_last;
    wire              full = count == COUNT'(GROUPS - 1);

    always_ff @(posedge clk) if (move && group_valid) begin
        store <= STORE'({group, store} >> (GROUP * W));
        sample_last <= any_last || group_last;
    end
    assign sample = store[N*W-1:0];

    always_ff @(posedge clk)
        if (!rst_n) begin
            count <= '0;
            any_last <= '0;
            sample_valid <= '0;
        end else if (move) begin
            sample_valid <= group_valid && full;
            if (group_valid) begin
                count <= full ? '0 : count + 1'b1;
                any_last <= !full && (any_last || group_last);
            end
        end
endmodule
