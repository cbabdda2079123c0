// A product of two numbers added up in LUTs: that with the low bits of w, and with its high bits.

module product_tree #(
    parameter int XW = 16,
    parameter int WW = 8,
    parameter bit W_SIGNED = 1
) (
    input  logic signed [XW-1:0]    x,
    input  logic        [WW-1:0]    w,
    output logic signed [XW+WW-1:0] p
);
    generate
        if (WW == 1) begin : bit_
            wire signed [XW:0] wide = (XW+1)'(x);
            assign p = !w[0] ? '0 : W_SIGNED ? -wide : wide;
        end else begin : halves
            localparam int LOW = 2 ** ($clog2(WW) - 1);
            localparam int HIGH = WW - LOW;
            wire signed [XW+LOW-1:0]  low;
            wire signed [XW+HIGH-1:0] high;
            product_tree #(.XW(XW), .WW(LOW), .W_SIGNED(0)) by_low (
                .x, .w(w[LOW-1:0]), .p(low)
            );
            product_tree #(.XW(XW), .WW(HIGH), .W_SIGNED(W_SIGNED)) by_high (
                .x, .w(w[WW-1:LOW]), .p(high)
            );
            wire signed [XW+HIGH-1:0] carried = (XW+HIGH)'($signed(low[XW+LOW-1:LOW]));
            assign p = {high + carried, low[LOW-1:0]};
        end
    endgenerate
endmodule
