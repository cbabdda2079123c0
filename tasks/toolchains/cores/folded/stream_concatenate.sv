// Joins rows of two streams, one after the other: A beats of the left one, then B beats of the right one.

module stream_concatenate #(
    parameter int W = 8,                     // bits of a beat
    parameter int A = 1,
    parameter int B = 1
) (
    input  logic         clk,
    input  logic         rst_n,

    input  logic [W-1:0] left_data,
    input  logic         left_valid,
    output logic         left_ready,
    input  logic [W-1:0] right_data,
    input  logic         right_valid,
    output logic         right_ready,

    output logic [W-1:0] out_data,
    output logic         out_valid,
    input  logic         out_ready
);
    localparam int N = $clog2(A + B);

    logic [N-1:0] beat;
    wire left = int'(beat) < A;

    assign out_data = left ? left_data : right_data;
    assign out_valid = left ? left_valid : right_valid;
    assign left_ready = left && out_ready;
    assign right_ready = !left && out_ready;

    always_ff @(posedge clk)
        if (!rst_n) beat <= '0;
        else if (out_valid && out_ready) beat <= (int'(beat) == A + B - 1) ? '0 : beat + 1'b1;
endmodule
