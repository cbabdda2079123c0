// What a window sees as it moves over an image that comes pixel by pixel, row by row.
//
// A pixel comes in GROUPS beats of W bits, each some of its channels. For every place of the window
// GROUPS beats go out, each KH x KW pixels of these channels, the first in the low bits. Around the
// image lie pixels of the value PAD, which are made here. KH - 1 rows are kept in memory.

module window_buffer #(
    parameter int W = 8,                     // bits of a beat in
    parameter int GROUPS = 1,                // beats of a pixel
    parameter int HEIGHT = 1,                // of the image
    parameter int WIDTH = 8,
    parameter int KH = 1,                    // of the window
    parameter int KW = 3,
    parameter int SH = 1,                    // pixels that the window moves at a time
    parameter int SW = 1,
    parameter int TOP = 0,                   // pixels around the image
    parameter int BOTTOM = 0,
    parameter int LEFT = 0,
    parameter int RIGHT = 0,
    parameter logic [W-1:0] PAD = '0
) (
    input  logic               clk,
    input  logic               rst_n,

    input  logic [W-1:0]       in_data,
    input  logic               in_valid,
    output logic               in_ready,

    output logic [KH*KW*W-1:0] out_data,
    output logic               out_valid,
    input  logic               out_ready
);
    localparam int ROWS = TOP + HEIGHT + BOTTOM;
    localparam int COLUMNS = LEFT + WIDTH + RIGHT;
    localparam int LINE = COLUMNS * GROUPS;
    localparam int Y = (ROWS > 1) ? $clog2(ROWS) : 1;
    localparam int X = (COLUMNS > 1) ? $clog2(COLUMNS) : 1;
    localparam int G = (GROUPS > 1) ? $clog2(GROUPS) : 1;
    localparam int DY = (SH > 1) ? $clog2(SH) : 1;
    localparam int DX = (SW > 1) ? $clog2(SW) : 1;

    // Where the next beat lies, and whether it is the last one that a window waits for.
    logic [Y-1:0]  y;
    logic [X-1:0]  x;
    logic [G-1:0]  g;
    logic [DY-1:0] skip_y;                   // rows until a window ends, once one may
    logic [DX-1:0] skip_x;
    wire last_g = g == G'(GROUPS - 1);
    wire last_x = x == X'(COLUMNS - 1);
    wire last_y = y == Y'(ROWS - 1);
    wire whole_y = int'(y) >= KH - 1;
    wire whole_x = int'(x) >= KW - 1;
    wire around = int'(y) < TOP || int'(y) >= TOP + HEIGHT
                  || int'(x) < LEFT || int'(x) >= LEFT + WIDTH;

    wire move = !out_valid || out_ready;
    wire advance = move && (in_valid || around);
    assign in_ready = move && !around;

    always_ff @(posedge clk)
        if (!rst_n) begin
            y <= '0;
            x <= '0;
            g <= '0;
            skip_y <= '0;
            skip_x <= '0;
            out_valid <= '0;
        end else if (advance) begin
            out_valid <= whole_y && whole_x && skip_y == '0 && skip_x == '0;
            g <= last_g ? '0 : g + 1'b1;
            if (last_g) begin
                x <= last_x ? '0 : x + 1'b1;
                if (last_x || !whole_x) skip_x <= '0;
                else skip_x <= (skip_x == '0) ? DX'(SW - 1) : skip_x - 1'b1;
                if (last_x) begin
                    y <= last_y ? '0 : y + 1'b1;
                    if (last_y || !whole_y) skip_y <= '0;
                    else skip_y <= (skip_y == '0) ? DY'(SH - 1) : skip_y - 1'b1;
                end
            end
        end else if (move) out_valid <= '0;

    // The same column of each row of the window; row KH-1 is the one that comes in.
    wire [KH*W-1:0] column;
    assign column[(KH-1)*W +: W] = around ? PAD : in_data;
    generate
        for (genvar r = 0; r < KH - 1; r++) begin : row
            delay_line #(.W(W), .DEPTH(LINE)) line (
                .clk, .rst_n, .enable(advance), .in_data(column[(r+1)*W +: W]),
                .out_data(column[r*W +: W])
            );
        end
        // The columns of the window, GROUPS beats from one another.
        for (genvar r = 0; r < KH; r++) begin : window_row
            logic [((KW-1)*GROUPS+1)*W-1:0] pixels;
            if (KW > 1) begin : several
                always_ff @(posedge clk)
                    if (advance) pixels <= {pixels[(KW-1)*GROUPS*W-1:0], column[r*W +: W]};
            end else begin : single
                always_ff @(posedge clk) if (advance) pixels <= column[r*W +: W];
            end
            for (genvar c = 0; c < KW; c++) begin : window_column
                assign out_data[(r*KW + c)*W +: W] = pixels[(KW-1-c)*GROUPS*W +: W];
            end
        end
    endgenerate
endmodule
