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
            wire signed [XW+WW-1:0] sum;
            product_tree #(.XW(XW), .WW(WW)) add (.x, .w, .p(sum));
            always_ff @(posedge clk) if (enable) p <= sum;
        end
    endgenerate
endmodule
