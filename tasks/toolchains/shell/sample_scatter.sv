// Whole samples in, stream words out.
//
// The core cannot wait, so samples are never refused: whoever sends them must have room for each
// in this module's memory (DEPTH samples) and learns by `taken` that one has left it.

module sample_scatter #(
    parameter int N = 10,                    // elements of a sample
    parameter int W = 16,                    // bits of an element
    parameter int I = 6,
    parameter bit SIGNED = 1,
    parameter int CONTAINER = 0,             // 0: a float32 a word; 8, 16, 32, 64: bits an element
    parameter int DEPTH = 2                  // samples; a power of two, at least 2
) (
    input  logic           clk,
    input  logic           rst_n,

    input  logic [N*W-1:0] sample,
    input  logic           sample_valid,
    input  logic           sample_last,      // the sample's last word gets word_last
    output logic           taken,

    output logic [31:0]    word,
    output logic           word_valid,
    input  logic           word_ready,
    output logic           word_last
);
    // Elements that leave at once.
    localparam int GROUP = (CONTAINER == 8) ? 4 : (CONTAINER == 16) ? 2 : 1;
    localparam int GROUPS = (N + GROUP - 1) / GROUP;
    localparam int ADDRESS = $clog2(DEPTH);
    localparam int COUNT = (GROUPS > 1) ? $clog2(GROUPS) : 1;

    logic [N*W:0]     memory [DEPTH];
    logic [ADDRESS:0] written, read;         // one bit more than the address tells full from empty

    always_ff @(posedge clk)
        if (sample_valid) memory[written[ADDRESS-1:0]] <= {sample_last, sample};
    always_ff @(posedge clk)
        if (!rst_n) written <= '0;
        else if (sample_valid) written <= written + 1'b1;

    // Group by group out of the oldest sample. The groups are gathered by bit, so that choosing
    // one is a plain tree for each bit.
    wire [N*W:0]                  oldest = memory[read[ADDRESS-1:0]];
    wire [GROUPS*GROUP*W-1:0]     elements = (GROUPS*GROUP*W)'(oldest[N*W-1:0]);
    logic [COUNT-1:0]             index;
    wire  [GROUP*W-1:0]           chosen;
    wire                          last_group = index == COUNT'(GROUPS - 1);
    wire                          waiting = written != read;
    logic                         next_group;

    generate
        for (genvar b = 0; b < GROUP * W; b++) begin : choose
            wire [2**COUNT-1:0] column;
            for (genvar g = 0; g < 2 ** COUNT; g++) begin : gather
                assign column[g] = (g < GROUPS) ? elements[(g % GROUPS)*GROUP*W + b] : 1'bx;
            end
            assign chosen[b] = column[index];
        end
    endgenerate

    assign taken = next_group && last_group;
    always_ff @(posedge clk)
        if (!rst_n) begin
            index <= '0;
            read <= '0;
        end else if (next_group) begin
            index <= last_group ? '0 : index + 1'b1;
            read <= read + (ADDRESS+1)'(last_group);
        end

    // The chosen group, then the word or words made of it.
    logic [GROUP*W-1:0] group;
    logic               group_valid, group_last;
    logic               group_free;          // the register takes another group, or becomes empty

    assign next_group = group_free && waiting;
    always_ff @(posedge clk)
        if (!rst_n) group_valid <= '0;
        else if (group_free) group_valid <= waiting;
    always_ff @(posedge clk) if (group_free) begin
        group <= chosen;
        group_last <= last_group && oldest[N*W];
    end

    word_encode #(.W(W), .I(I), .SIGNED(SIGNED), .CONTAINER(CONTAINER)) encode (
        .clk, .rst_n, .group, .group_valid, .group_last, .group_free,
        .word, .word_valid, .word_ready, .word_last
    );
endmodule
