// Counts what the two streams do, to be read over AXI4-Lite. All registers are 32 bits wide:
//
//   0x00  identity, "OFLW"          0x10  samples finished: their last word was accepted
//   0x04  version of this map       0x14  clocks in which an input word had to wait
//   0x08  write 1: clear the rest   0x18  clocks in which an output word had to wait
//   0x20, 0x24  clocks from the first input word accepted to the first output word (low, high)
//   0x28, 0x2C  clocks from the first input word accepted to the latest output word (low, high)
//
// Clear while nothing is under way. Low and high are not read at once: read them when the
// transfer has ended. All other addresses read as 0.

module cycle_counters #(
    parameter int OUT_WORDS = 10             // stream words of a result
) (
    input  logic        clk,
    input  logic        rst_n,

    input  logic        in_valid,
    input  logic        in_ready,
    input  logic        out_valid,
    input  logic        out_ready,

    input  logic [5:0]  awaddr,
    input  logic        awvalid,
    output logic        awready,
    input  logic [31:0] wdata,
    input  logic [3:0]  wstrb,
    input  logic        wvalid,
    output logic        wready,
    output logic [1:0]  bresp,
    output logic        bvalid,
    input  logic        bready,
    input  logic [5:0]  araddr,
    input  logic        arvalid,
    output logic        arready,
    output logic [31:0] rdata,
    output logic [1:0]  rresp,
    output logic        rvalid,
    input  logic        rready
);
    localparam logic [31:0] IDENTITY = 32'h4F46_4C57;
    localparam logic [31:0] VERSION = 1;

    // 48 bits at 100 MHz are a month.
    logic [31:0] samples, in_waits, out_waits;
    logic [47:0] elapsed, to_first, to_latest;
    logic        running, answered, clear;

    wire in_accepted = in_valid && in_ready;
    wire out_accepted = out_valid && out_ready;

    // A sample is finished when the last word of its result leaves.
    localparam int PLACE = (OUT_WORDS > 1) ? $clog2(OUT_WORDS) : 1;
    logic [PLACE-1:0] place;
    wire last_word = place == PLACE'(OUT_WORDS - 1);

    always_ff @(posedge clk)
        if (!rst_n) place <= '0;
        else if (out_accepted) place <= last_word ? '0 : place + 1'b1;

    always_ff @(posedge clk)
        if (!rst_n || clear) begin
            samples <= '0;
            in_waits <= '0;
            out_waits <= '0;
            running <= '0;
            answered <= '0;
            elapsed <= '0;
            to_first <= '0;
            to_latest <= '0;
        end else begin
            samples <= samples + 32'(out_accepted && last_word);
            in_waits <= in_waits + 32'(in_valid && !in_ready);
            out_waits <= out_waits + 32'(out_valid && !out_ready);
            running <= running || in_accepted;
            elapsed <= elapsed + 48'(running || in_accepted);
            if (running && out_accepted) begin
                answered <= 1'b1;
                to_latest <= elapsed;
                if (!answered) to_first <= elapsed;
            end
        end

    // Write channel: address and data are taken together, a clock after both are there, so that
    // no output depends on an input within a clock. Only the lowest byte of the control register
    // means anything.
    logic write;
    assign awready = write;
    assign wready = write;
    assign bresp = 2'b00;
    assign clear = write && awaddr[5:2] == 4'h2 && wstrb[0] && wdata[0];

    always_ff @(posedge clk)
        if (!rst_n) begin
            write <= 1'b0;
            bvalid <= 1'b0;
        end else begin
            write <= awvalid && wvalid && !write && !bvalid;
            bvalid <= write || (bvalid && !bready);
        end

    // Read channel, likewise.
    logic read;
    assign arready = read;
    assign rresp = 2'b00;

    always_ff @(posedge clk)
        if (!rst_n) begin
            read <= 1'b0;
            rvalid <= 1'b0;
        end else begin
            read <= arvalid && !read && !rvalid;
            rvalid <= read || (rvalid && !rready);
        end

    always_ff @(posedge clk) if (read)
        case (araddr[5:2])
            4'h0: rdata <= IDENTITY;
            4'h1: rdata <= VERSION;
            4'h4: rdata <= samples;
            4'h5: rdata <= in_waits;
            4'h6: rdata <= out_waits;
            4'h8: rdata <= to_first[31:0];
            4'h9: rdata <= {16'h0, to_first[47:32]};
            4'hA: rdata <= to_latest[31:0];
            4'hB: rdata <= {16'h0, to_latest[47:32]};
            default: rdata <= '0;
        endcase

    // Only parts of these say anything to this block.
    wire unused = &{1'b0, awaddr[1:0], araddr[1:0], wdata[31:1], wstrb[3:1]};
endmodule
