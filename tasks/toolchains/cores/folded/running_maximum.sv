// The largest of COUNT pixels, channel by channel. A pixel comes in GROUPS beats of PAR channels; the
// result leaves in as many beats behind the last pixel.

module running_maximum #(
    parameter int W = 8,                     // bits of an element
    parameter bit SIGNED = 1,
    parameter int PAR = 1,
    parameter int GROUPS = 1,
    parameter int COUNT = 4
) (
    input  logic             clk,
    input  logic             rst_n,

    input  logic [PAR*W-1:0] in_data,
    input  logic             in_valid,
    output logic             in_ready,

    output logic [PAR*W-1:0] out_data,
    output logic             out_valid,
    input  logic             out_ready
);
    localparam int G = (GROUPS > 1) ? $clog2(GROUPS) : 1;
    localparam int N = (COUNT > 1) ? $clog2(COUNT) : 1;

    logic [G-1:0] group;
    logic [N-1:0] pixel;
    wire last_group = group == G'(GROUPS - 1);
    wire last_pixel = pixel == N'(COUNT - 1);

    wire move = !out_valid || out_ready;
    wire step = move && in_valid;
    assign in_ready = move;

    always_ff @(posedge clk)
        if (!rst_n) begin
            group <= '0;
            pixel <= '0;
            out_valid <= '0;
        end else if (move) begin
            out_valid <= step && last_pixel;
            if (step) begin
                group <= last_group ? '0 : group + 1'b1;
                if (last_group) pixel <= last_pixel ? '0 : pixel + 1'b1;
            end
        end

    // The largest so far, going round: the newest is in place 0.
    logic [GROUPS*PAR*W-1:0] held;
    wire [PAR*W-1:0]         earlier = held[(GROUPS-1)*PAR*W +: PAR*W];
    wire [PAR*W-1:0]         later;
    generate
        for (genvar p = 0; p < PAR; p++) begin : channel
            wire [W-1:0] one = in_data[p*W +: W];
            wire [W-1:0] other = earlier[p*W +: W];
            wire larger;
            if (SIGNED) begin : signed_
                assign larger = $signed(one) > $signed(other);
            end else begin : unsigned_
                assign larger = one > other;
            end
            assign later[p*W +: W] = (pixel == '0 || larger) ? one : other;
        end
        if (GROUPS > 1) begin : several
            always_ff @(posedge clk)
                if (step) held <= {held[(GROUPS-1)*PAR*W-1:0], later};
        end else begin : single
            always_ff @(posedge clk) if (step) held <= later;
        end
    endgenerate
    assign out_data = held[PAR*W-1:0];
endmodule
