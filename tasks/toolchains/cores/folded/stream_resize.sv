// Rows of N elements, A elements a beat in, B elements a beat out.
//
// A row starts a new beat on both sides; what is left over in its last beat means nothing. The
// larger of A and B is a multiple of the smaller one, or holds a whole row.

module stream_resize #(
    parameter int N = 16,                    // elements of a row
    parameter int W = 8,                     // bits of an element
    parameter int A = 4,                     // elements of a beat in
    parameter int B = 2                      // elements of a beat out
) (
    input  logic           clk,
    input  logic           rst_n,

    input  logic [A*W-1:0] in_data,
    input  logic           in_valid,
    output logic           in_ready,

    output logic [B*W-1:0] out_data,
    output logic           out_valid,
    input  logic           out_ready
);
    localparam int IN_BEATS = (N + A - 1) / A;
    localparam int OUT_BEATS = (N + B - 1) / B;

    generate
        if (IN_BEATS == OUT_BEATS) begin : as_it_is
            assign out_data = (B*W)'(in_data);
            assign out_valid = in_valid;
            assign in_ready = out_ready;
            wire unused = &{1'b0, clk, rst_n, in_data};
        end else if (A > B) begin : narrow
            // Beats out that a beat in makes, at most; the last of a row may make fewer.
            localparam int PARTS = (((A < N) ? A : N) + B - 1) / B;
            localparam int STORE = PARTS * B * W;
            localparam int COUNT = $clog2(OUT_BEATS);
            localparam int PART = $clog2(PARTS);

            logic [STORE-1:0] store;
            logic [COUNT-1:0] beat;          // of the row
            logic [PART-1:0]  part;          // of the store
            wire last = beat == COUNT'(OUT_BEATS - 1);
            wire emptied = last || part == PART'(PARTS - 1);
            wire load = in_valid && in_ready;

            assign out_data = store[B*W-1:0];
            assign in_ready = !out_valid || (out_ready && emptied);

            always_ff @(posedge clk)
                if (load) store <= STORE'(in_data);
                else if (out_ready) store <= store >> (B * W);

            always_ff @(posedge clk)
                if (!rst_n) begin
                    out_valid <= '0;
                    beat <= '0;
                    part <= '0;
                end else begin
                    out_valid <= load || (out_valid && !(out_ready && emptied));
                    if (out_valid && out_ready) begin
                        beat <= last ? '0 : beat + 1'b1;
                        part <= emptied ? '0 : part + 1'b1;
                    end
                end
            wire unused = &{1'b0, in_data};
        end else begin : widen
            localparam int PARTS = (((B < N) ? B : N) + A - 1) / A;
            localparam int COUNT = $clog2(IN_BEATS);
            localparam int PART = $clog2(PARTS);

            logic [PARTS*A*W-1:0] store;
            logic [COUNT-1:0]     beat;
            logic [PART-1:0]      part;
            wire last = beat == COUNT'(IN_BEATS - 1);
            wire filled = last || part == PART'(PARTS - 1);
            wire load = in_valid && in_ready;

            assign in_ready = !out_valid || out_ready;
            assign out_data = (B*W)'(store);

            for (genvar k = 0; k < PARTS; k++) begin : place
                always_ff @(posedge clk)
                    if (load && part == PART'(k)) store[k*A*W +: A*W] <= in_data;
            end

            always_ff @(posedge clk)
                if (!rst_n) begin
                    out_valid <= '0;
                    beat <= '0;
                    part <= '0;
                end else begin
                    out_valid <= (load && filled) || (out_valid && !out_ready);
                    if (load) begin
                        beat <= last ? '0 : beat + 1'b1;
                        part <= filled ? '0 : part + 1'b1;
                    end
                end
            wire unused = &{1'b0, store};
        end
    endgenerate
endmodule
