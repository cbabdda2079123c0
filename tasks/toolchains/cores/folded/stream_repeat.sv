// An image whose pixels are repeated X_TIMES in a row, and its rows Y_TIMES. A pixel comes in GROUPS
// beats of W bits. One row is kept in memory; the next one takes the places that are free.

module stream_repeat #(
    parameter int W = 8,
    parameter int GROUPS = 1,
    parameter int WIDTH = 4,                 // pixels of a row that comes in
    parameter int X_TIMES = 2,
    parameter int Y_TIMES = 2
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
    localparam int LINE = WIDTH * GROUPS;
    localparam int ADDRESS = (LINE > 1) ? $clog2(LINE) : 1;
    localparam int COUNT = $clog2(LINE + 1);
    localparam int G = (GROUPS > 1) ? $clog2(GROUPS) : 1;
    localparam int RX = (X_TIMES > 1) ? $clog2(X_TIMES) : 1;
    localparam int RY = (Y_TIMES > 1) ? $clog2(Y_TIMES) : 1;

    logic [W-1:0]       memory [LINE];
    logic [COUNT-1:0]   held;                // places in use, the row's before those of the next one
    logic [ADDRESS-1:0] write_place, pixel;  // pixel: the first beat of the one that is repeated
    logic [G-1:0]       g;
    logic [RX-1:0]      time_x;
    logic [RY-1:0]      time_y;
    wire [ADDRESS-1:0]  read_place = pixel + ADDRESS'(g);
    wire last_g = g == G'(GROUPS - 1);
    wire last_time_x = time_x == RX'(X_TIMES - 1);
    wire last_time_y = time_y == RY'(Y_TIMES - 1);
    wire last_pixel = int'(pixel) == LINE - GROUPS;
    wire last_time = last_time_x && last_time_y;

    // In its last pass a row gives its places back from the front, so that what is held is counted
    // from the place that is read; in the others from the row's beginning.
    wire there = last_time_y ? (last_time_x ? held != '0 : int'(held) > int'(g))
                             : int'(held) > int'(read_place);
    wire fetch = there && (!out_valid || out_ready);
    wire free = fetch && last_time;
    wire write = in_valid && in_ready;
    assign in_ready = int'(held) < LINE;

    always_ff @(posedge clk) if (write) memory[write_place] <= in_data;
    always_ff @(posedge clk) if (fetch) out_data <= memory[read_place];

    always_ff @(posedge clk)
        if (!rst_n) begin
            held <= '0;
            write_place <= '0;
            pixel <= '0;
            g <= '0;
            time_x <= '0;
            time_y <= '0;
            out_valid <= '0;
        end else begin
            out_valid <= fetch || (out_valid && !out_ready);
            held <= held + COUNT'(write) - COUNT'(free);
            if (write) write_place <= (int'(write_place) == LINE - 1) ? '0 : write_place + 1'b1;
            if (fetch) begin
                g <= last_g ? '0 : g + 1'b1;
                if (last_g) begin
                    time_x <= last_time_x ? '0 : time_x + 1'b1;
                    if (last_time_x) begin
                        pixel <= last_pixel ? '0 : pixel + ADDRESS'(GROUPS);
                        if (last_pixel) time_y <= last_time_y ? '0 : time_y + 1'b1;
                    end
                end
            end
        end
endmodule
