// A queue between two streams; data are read from memory a clock before they are taken.

module stream_fifo #(
    parameter int W = 16,                    // bits of a beat
    parameter int DEPTH = 2                  // beats in memory; a power of two, at least 2
) (
    input  logic         clk,
    input  logic         rst_n,

    input  logic [W-1:0] in_data,
    input  logic         in_valid,
    output logic         in_ready,

    output logic [W-1:0] out_data,
    output logic         out_valid,
    input  logic         out_ready
);
    localparam int ADDRESS = $clog2(DEPTH);

    logic [W-1:0]     memory [DEPTH];
    logic [ADDRESS:0] written, read;         // one bit more than the address tells full from empty

    wire fetch = written != read && (!out_valid || out_ready);
    wire write = in_valid && in_ready;
    assign in_ready = (written ^ read) != {1'b1, {ADDRESS{1'b0}}};

    always_ff @(posedge clk) if (write) memory[written[ADDRESS-1:0]] <= in_data;
    always_ff @(posedge clk) if (fetch) out_data <= memory[read[ADDRESS-1:0]];

    always_ff @(posedge clk)
        if (!rst_n) begin
            written <= '0;
            read <= '0;
            out_valid <= '0;
        end else begin
            written <= written + (ADDRESS+1)'(write);
            read <= read + (ADDRESS+1)'(fetch);
            out_valid <= fetch || (out_valid && !out_ready);
        end
endmodule
