// Connects two AXI4-Streams with a core that can neither wait nor be reset.
//
// The core takes a whole sample in any clock and gives its result LATENCY clocks later. A sample
// is sent into it only if the memory behind it has room for the result, so that nothing is lost
// however long the output stream stalls. One stream word is taken per clock as long as results
// need no more words than samples.
//
// TLAST is what hls4ml's wrapper makes of it: a sample is always its whole number of words; if
// any of them had TLAST, the last word of its result has it too.

module axis_shell #(
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
    parameter int LATENCY = 8                // register stages of the core
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

    output logic [IN_N*IN_W-1:0]  core_inp,
    input  logic [OUT_N*OUT_W-1:0] core_out
);
    localparam int IN_BITS = (IN_CONTAINER == 0) ? 32 : IN_CONTAINER;
    localparam int OUT_BITS = (OUT_CONTAINER == 0) ? 32 : OUT_CONTAINER;
    localparam int IN_WORDS = (IN_N * IN_BITS + 31) / 32;
    localparam int OUT_WORDS = (OUT_N * OUT_BITS + 31) / 32;
    localparam int INTERVAL = (IN_WORDS > OUT_WORDS) ? IN_WORDS : OUT_WORDS;  // clocks a sample

    // Room for every sample that is under way at full rate: a place is held while a sample passes
    // the core, is written, and leaves word by word.
    localparam int UNDER_WAY = (LATENCY + OUT_WORDS + 2 + INTERVAL - 1) / INTERVAL + 1;
    localparam int DEPTH = 2 ** $clog2(UNDER_WAY);

    logic sample_valid, sample_last, result_valid, result_last, taken;

    // Places not yet given away.
    logic [$clog2(DEPTH+1)-1:0] free;
    wire room = free != 0;
    wire launch = sample_valid && room;

    always_ff @(posedge aclk)
        if (!aresetn) free <= ($clog2(DEPTH+1))'(DEPTH);
        else free <= free - ($clog2(DEPTH+1))'(launch) + ($clog2(DEPTH+1))'(taken);

    sample_gather #(
        .N(IN_N), .W(IN_W), .I(IN_I), .SIGNED(IN_SIGNED),
        .ROUNDING(IN_ROUNDING), .SATURATION(IN_SATURATION), .CONTAINER(IN_CONTAINER)
    ) gather (
        .clk(aclk), .rst_n(aresetn),
        .word(s_axis_tdata), .word_valid(s_axis_tvalid), .word_ready(s_axis_tready),
        .word_last(s_axis_tlast),
        .sample(core_inp), .sample_valid, .sample_ready(room), .sample_last
    );

    // What the core cannot say itself: which of its results are samples.
    generate
        if (LATENCY == 0) begin : combinational
            assign result_valid = launch;
            assign result_last = sample_last;
        end else begin : pipelined
            logic [LATENCY-1:0] valid, last;
            always_ff @(posedge aclk)
                if (!aresetn) valid <= '0;
                else valid <= LATENCY'({valid, launch});
            always_ff @(posedge aclk) last <= LATENCY'({last, sample_last});
            assign result_valid = valid[LATENCY-1];
            assign result_last = last[LATENCY-1];
        end
    endgenerate

    sample_scatter #(
        .N(OUT_N), .W(OUT_W), .I(OUT_I), .SIGNED(OUT_SIGNED), .CONTAINER(OUT_CONTAINER),
        .DEPTH(DEPTH)
    ) scatter (
        .clk(aclk), .rst_n(aresetn),
        .sample(core_out), .sample_valid(result_valid), .sample_last(result_last), .taken,
        .word(m_axis_tdata), .word_valid(m_axis_tvalid), .word_ready(m_axis_tready),
        .word_last(m_axis_tlast)
    );
endmodule
