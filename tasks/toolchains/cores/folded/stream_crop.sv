// An image without its borders. A pixel comes in GROUPS beats of W bits.

module stream_crop #(
    parameter int W = 8,
    parameter int GROUPS = 1,
    parameter int HEIGHT = 4,                // of the image that comes in
    parameter int WIDTH = 4,
    parameter int TOP = 0,                   // pixels that are left out
    parameter int BOTTOM = 0,
    parameter int LEFT = 0,
    parameter int RIGHT = 0
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
    localparam int G = (GROUPS > 1) ? $clog2(GROUPS) : 1;
    localparam int Y = (HEIGHT > 1) ? $clog2(HEIGHT) : 1;
    localparam int X = (WIDTH > 1) ? $clog2(WIDTH) : 1;

    logic [Y-1:0] y;
    logic [X-1:0] x;
    logic [G-1:0] g;
    wire last_g = g == G'(GROUPS - 1);
    wire last_x = x == X'(WIDTH - 1);
    wire last_y = y == Y'(HEIGHT - 1);
    wire kept = int'(y) >= TOP && int'(y) < HEIGHT - BOTTOM
                  && int'(x) >= LEFT && int'(x) < WIDTH - RIGHT;

    assign out_data = in_data;
    assign out_valid = in_valid && kept;
    assign in_ready = out_ready || !kept;

    always_ff @(posedge clk)
        if (!rst_n) begin
            y <= '0;
            x <= '0;
            g <= '0;
        end else if (in_valid && in_ready) begin
            g <= last_g ? '0 : g + 1'b1;
            if (last_g) begin
                x <= last_x ? '0 : x + 1'b1;
                if (last_x) y <= last_y ? '0 : y + 1'b1;
            end
        end
endmodule
