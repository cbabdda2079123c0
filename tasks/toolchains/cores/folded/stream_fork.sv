// One stream to N readers: a beat is gone when each of them has taken it, in whatever clock.

module stream_fork #(
    parameter int N = 2
) (
    input  logic         clk,
    input  logic         rst_n,

    input  logic         in_valid,
    output logic         in_ready,
    output logic [N-1:0] out_valid,
    input  logic [N-1:0] out_ready
);
    logic [N-1:0] served;                    // readers that have taken this beat
    wire [N-1:0]  now = served | out_ready;

    assign out_valid = {N{in_valid}} & ~served;
    assign in_ready = &now;

    always_ff @(posedge clk)
        if (!rst_n) served <= '0;
        else if (in_valid) served <= (&now) ? '0 : now;
endmodule
