// Gives back what it got DEPTH enabled clocks ago, from memory.

module delay_line #(
    parameter int W = 8,
    parameter int DEPTH = 4
) (
    input  logic         clk,
    input  logic         rst_n,
    input  logic         enable,
    input  logic [W-1:0] in_data,
    output logic [W-1:0] out_data
);
    generate
        if (DEPTH == 1) begin : single
            always_ff @(posedge clk) if (enable) out_data <= in_data;
            wire unused = &{1'b0, rst_n};
        end else begin : memory_
            localparam int ADDRESS = $clog2(DEPTH);
            logic [W-1:0]       memory [DEPTH];
            logic [ADDRESS-1:0] place;
            wire  [ADDRESS-1:0] next = (place == ADDRESS'(DEPTH - 1)) ? '0 : place + 1'b1;

            always_ff @(posedge clk)
                if (!rst_n) place <= '0;
                else if (enable) place <= next;
            always_ff @(posedge clk) if (enable) memory[place] <= in_data;
            always_ff @(posedge clk) if (enable) out_data <= memory[next];
        end
    endgenerate
endmodule
