// Connects two AXI4-Streams with a core that takes elements as they come, and can wait.
//
// The core gets as many elements at a time as a stream word holds (a float32 holds one), and gives
// as many. Each side can stall the other, so nothing is lost and no places have to be counted.
//
// TLAST is what hls4ml's wrapper makes of it: a sample is always its whole number of words; if
// any of them had TLAST, the last word of its result has it too.

module stream_shell #(
    parameter int IN_N = 16,                 // elements of a sample
    parameter int IN_W = 16,                 // bits of an element
    parameter int IN_I = 6,                  // of which left of the point
    parameter bit IN_SIGNED = 1,
    parameter logic [87:0] IN_ROUNDING = "TRN",
    parameter logic [63:0] IN_SATURATION = "WRAP",
    parameter int IN_CONTAINER = 0,          // 0: a float32 a word; 8, 16, 32, 64: bits an element
    parameter int OUT_N = 10,
    parameter int OUT_W = 16,
    parameter int OUT_I = 6,
    parameter bit OUT_SIGNED = 1,
    parameter int OUT_CONTAINER = 0,
    localparam int IN_GROUP = (IN_CONTAINER == 8) ? 4 : (IN_CONTAINER == 16) ? 2 : 1,
    localparam int OUT_GROUP = (OUT_CONTAINER == 8) ? 4 : (OUT_CONTAINER == 16) ? 2 : 1
) (
    input  logic                  aclk,
    input  logic                  aresetn,

    input  logic [31:0]           s_axis_tdata,
    input  logic                  s_axis_tvalid,
    output logic                  s_axis_tready,
    input  logic                  s_axis_tlast,

    output logic [31:0]           m_axis_tdata,
    output logic                  m_axis_tvalid,
    input  logic                  m_axis_tready,
    output logic                  m_axis_tlast,

    output logic [IN_GROUP*IN_W-1:0]   core_in_data,
    output logic                       core_in_valid,
    input  logic                       core_in_ready,
    input  logic [OUT_GROUP*OUT_W-1:0] core_out_data,
    input  logic                       core_out_valid,
    output logic                       core_out_ready
);
    localparam int IN_GROUPS = (IN_N + IN_GROUP - 1) / IN_GROUP;
    localparam int OUT_GROUPS = (OUT_N + OUT_GROUP - 1) / OUT_GROUP;
    localparam int IN_COUNT = (IN_GROUPS > 1) ? $clog2(IN_GROUPS) : 1;
    localparam int OUT_COUNT = (OUT_GROUPS > 1) ? $clog2(OUT_GROUPS) : 1;
    localparam int SAMPLES = 64;             // in the core at a time, at most

    // Words in; a queue before the core, whose room does not depend on what comes in.
    logic [IN_GROUP*IN_W-1:0] group;
    logic                     group_valid, group_last, queue_ready, marks_ready;
    wire                      move = queue_ready && marks_ready;
    assign s_axis_tready = move;

    word_decode #(
        .W(IN_W), .I(IN_I), .SIGNED(IN_SIGNED), .ROUNDING(IN_ROUNDING),
        .SATURATION(IN_SATURATION), .CONTAINER(IN_CONTAINER)
    ) decode (
        .clk(aclk), .rst_n(aresetn), .move,
        .word(s_axis_tdata), .word_valid(s_axis_tvalid), .word_last(s_axis_tlast),
        .group, .group_valid, .group_last
    );

    stream_fifo #(.W(IN_GROUP * IN_W), .DEPTH(4)) queue (
        .clk(aclk), .rst_n(aresetn),
        .in_data(group), .in_valid(group_valid && move), .in_ready(queue_ready),
        .out_data(core_in_data), .out_valid(core_in_valid), .out_ready(core_in_ready)
    );

    // Which samples had TLAST.
    logic [IN_COUNT-1:0] count;
    logic                any_last, mark, mark_valid;
    wire                 full = count == IN_COUNT'(IN_GROUPS - 1);

    always_ff @(posedge aclk)
        if (!aresetn) begin
            count <= '0;
            any_last <= '0;
        end else if (move && group_valid) begin
            count <= full ? '0 : count + 1'b1;
            any_last <= !full && (any_last || group_last);
        end

    logic [OUT_COUNT-1:0] index;
    logic                 group_free;
    wire                  last_group = index == OUT_COUNT'(OUT_GROUPS - 1);
    wire                  answer = core_out_valid && (!last_group || mark_valid);
    assign core_out_ready = group_free && (!last_group || mark_valid);

    stream_fifo #(.W(1), .DEPTH(SAMPLES)) marks (
        .clk(aclk), .rst_n(aresetn),
        .in_data(any_last || group_last), .in_valid(move && group_valid && full),
        .in_ready(marks_ready),
        .out_data(mark), .out_valid(mark_valid), .out_ready(answer && group_free && last_group)
    );

    always_ff @(posedge aclk)
        if (!aresetn) index <= '0;
        else if (answer && group_free) index <= last_group ? '0 : index + 1'b1;

    // What is left over in a sample's last group is 0.
    localparam int REST = OUT_N - (OUT_GROUPS - 1) * OUT_GROUP;
    localparam logic [OUT_GROUP-1:0] KEPT = OUT_GROUP'((1 << REST) - 1);
    wire [OUT_GROUP*OUT_W-1:0] answer_group;
    generate
        for (genvar e = 0; e < OUT_GROUP; e++) begin : keep
            assign answer_group[e*OUT_W +: OUT_W] =
                (last_group && !KEPT[e]) ? '0 : core_out_data[e*OUT_W +: OUT_W];
        end
    endgenerate

    word_encode #(.W(OUT_W), .I(OUT_I), .SIGNED(OUT_SIGNED), .CONTAINER(OUT_CONTAINER)) encode (
        .clk(aclk), .rst_n(aresetn),
        .group(answer_group), .group_valid(answer), .group_last(last_group && mark), .group_free,
        .word(m_axis_tdata), .word_valid(m_axis_tvalid), .word_ready(m_axis_tready),
        .word_last(m_axis_tlast)
    );
endmodule
