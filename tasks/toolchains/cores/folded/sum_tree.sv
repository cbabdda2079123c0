// A sum, with a register after every level of the tree of adders.

module sum_tree #(
    parameter int N = 4,
    parameter int W = 16
) (
    input  logic           clk,
    input  logic           enable,
    input  logic [N*W-1:0] terms,
    output logic [W-1:0]   sum
);
    generate
        if (N == 1) begin : one
            assign sum = terms;
            wire unused = &{1'b0, clk, enable};
        end else begin : many
            localparam int HALF = (N + 1) / 2;
            logic [HALF*W-1:0] level;
            for (genvar k = 0; k < HALF; k++) begin : pair
                if (2 * k + 1 < N) begin : add
                    always_ff @(posedge clk) if (enable)
                        level[k*W +: W] <= terms[2*k*W +: W] + terms[(2*k+1)*W +: W];
                end else begin : odd
                    always_ff @(posedge clk) if (enable) level[k*W +: W] <= terms[2*k*W +: W];
                end
            end
            sum_tree #(.N(HALF), .W(W)) rest (.clk, .enable, .terms(level), .sum);
        end
    endgenerate
endmodule
