// A stream around logic that cannot wait: LATENCY clocks after a beat was taken its result is
// there, and a place in the queue behind it is free, because it was reserved when it was taken.

module stream_pipeline #(
    parameter int W = 16,                    // bits of a result
    parameter int LATENCY = 1,               // clocks from a beat to its result
    parameter int DEPTH = 4                  // results waiting or under way; a power of two
) (
    input  logic         clk,
    input  logic         rst_n,

    input  logic         in_valid,
    output logic         in_ready,
    input  logic [W-1:0] result,

    output logic [W-1:0] out_data,
    output logic         out_valid,
    input  logic         out_ready
);
    localparam int COUNT = $clog2(DEPTH + 1);

    logic [COUNT-1:0] taken;                 // places that are not free
    logic             result_valid, always_room;
    wire              launch = in_valid && in_ready;

    assign in_ready = taken != COUNT'(DEPTH);

    always_ff @(posedge clk)
        if (!rst_n) taken <= '0;
        else taken <= taken + COUNT'(launch) - COUNT'(out_valid && out_ready);

    generate
        if (LATENCY == 0) begin : at_once
            assign result_valid = launch;
        end else begin : later
            logic [LATENCY-1:0] valid;
            always_ff @(posedge clk)
                if (!rst_n) valid <= '0;
                else valid <= LATENCY'({valid, launch});
            assign result_valid = valid[LATENCY-1];
        end
    endgenerate

    stream_fifo #(.W(W), .DEPTH(DEPTH)) queue (
        .clk, .rst_n,
        .in_data(result), .in_valid(result_valid), .in_ready(always_room),
        .out_data, .out_valid, .out_ready
    );
    wire unused = &{1'b0, always_room};
endmodule
