// A product of two signed numbers, registered: in a DSP block, or added up in LUTs.

module product #(
    parameter int XW = 16,
    parameter int WW = 8,
    parameter bit DSP = 1
) (
    input  logic                    clk,
    input  logic                    enable,
    input  logic signed [XW-1:0]    x,
    input  logic signed [WW-1:0]    w,
    output logic signed [XW+WW-1:0] p
);
    generate
        if (DSP) begin : dsp
            always_ff @(posedge clk) if (enable) p <= x * w;
        end else begin : luts
            // One row for each bit of w; that of the sign bit counts negatively. Pairs of rows are
            // added first, so that the sum is a tree.
            localparam int ROWS = 2 ** $clog2(WW);
            localparam int PW = XW + WW;
            wire [2*ROWS*PW-1:0] sums;
            wire [PW-1:0] wide = PW'(x);
            for (genvar k = 0; k < ROWS; k++) begin : row
                if (k < WW - 1)
                    assign sums[(ROWS+k)*PW +: PW] = w[k] ? wide << k : '0;
                else if (k == WW - 1)
                    assign sums[(ROWS+k)*PW +: PW] = w[k] ? -(wide << k) : '0;
                else
                    assign sums[(ROWS+k)*PW +: PW] = '0;
            end
            for (genvar k = 1; k < ROWS; k++) begin : add
                assign sums[k*PW +: PW] = sums[2*k*PW +: PW] + sums[(2*k+1)*PW +: PW];
            end
            assign sums[PW-1:0] = '0;
            always_ff @(posedge clk) if (enable) p <= sums[PW +: PW];
            wire unused = &{1'b0, sums[PW-1:0]};
        end
    endgenerate
endmodule
