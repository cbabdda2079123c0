# The block design: processing system, AXI DMA in simple mode, and our top between its streams.
#
#   M_AXI_GP0 or M_AXI_HPM0_FPD -> control -> DMA's registers, accelerator's registers
#   DMA's memory ports -> axi_mem_intercon -> S_AXI_HP0 or S_AXI_HP0_FPD
#   DMA -> accelerator -> DMA
#
# Everything is connected by hand: what Vivado's automation names and takes differs by version.
# Clocks come before interfaces: an interface takes its frequency over when it is connected.

# The newest version of an IP that block designs take, in the Vivado at hand; empty for none.
# -all: since 2022 the AXI Interconnect is in no other listing; IPI: it has versions for no design.
proc ::overlayflow::ip {name} {
    set found [get_ipdefs -quiet -all "xilinx.com:ip:$name:*" -filter {design_tool_contexts =~ *IPI*}]
    if {$found eq ""} { return "" }
    return [lindex [lsort -dictionary [get_property VLNV $found]] end]
}

# A new cell of an IP.
proc ::overlayflow::cell {ip name} {
    set vlnv [::overlayflow::ip $ip]
    if {$vlnv eq ""} { ::overlayflow::fail "this Vivado has no IP $ip for block designs" }
    return [create_bd_cell -type ip -vlnv $vlnv $name]
}

# A new interconnect. Later versions of Vivado have the SmartConnect only, which takes more logic.
proc ::overlayflow::interconnect {name slaves masters} {
    set ip [expr {[::overlayflow::ip axi_interconnect] eq "" ? "smartconnect" : "axi_interconnect"}]
    set cell [::overlayflow::cell $ip $name]
    set_property -dict [list CONFIG.NUM_SI $slaves CONFIG.NUM_MI $masters] $cell
    return $cell
}

# Input pins of some cells, of a type such as clk or rst.
proc ::overlayflow::inputs {type cells} {
    set pins {}
    foreach cell $cells {
        lappend pins {*}[get_bd_pins -quiet -of_objects $cell -filter "TYPE == $type && DIR == I"]
    }
    return $pins
}

proc ::overlayflow::join_interfaces {first second} {
    connect_bd_intf_net [get_bd_intf_pins $first] [get_bd_intf_pins $second]
}

# A Zynq-7000: name of the cell, its clock, its reset, its control port, its memory port.
proc ::overlayflow::zynq7000 {} {
    variable board
    variable clock_mhz
    set name processing_system7_0
    set system [::overlayflow::cell processing_system7 $name]
    set preset [expr {$board ne ""}]
    apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 -config [list \
        make_external "FIXED_IO, DDR" apply_board_preset $preset Master Disable Slave Disable] $system
    if {!$preset} {
        # The board's image has set the processing system up, so that a bare part will do. What it
        # says of the clock must be as there: with Ethernet, the IO PLL runs at 1000 MHz.
        set_property -dict [list \
            CONFIG.PCW_CRYSTAL_PERIPHERAL_FREQMHZ 50 \
            CONFIG.PCW_ENET0_PERIPHERAL_ENABLE 1 \
            CONFIG.PCW_ENET0_ENET0_IO {MIO 16 .. 27}] $system
    }
    set_property -dict [list \
        CONFIG.PCW_USE_M_AXI_GP0 1 \
        CONFIG.PCW_USE_S_AXI_HP0 1 \
        CONFIG.PCW_S_AXI_HP0_DATA_WIDTH 64 \
        CONFIG.PCW_EN_CLK0_PORT 1 \
        CONFIG.PCW_EN_RST0_PORT 1 \
        CONFIG.PCW_FPGA_FCLK0_ENABLE 1 \
        CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $clock_mhz] $system
    ::overlayflow::require_pll $system PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ \
        PCW_FCLK0_PERIPHERAL_DIVISOR0 PCW_FCLK0_PERIPHERAL_DIVISOR1
    return [list $name FCLK_CLK0 FCLK_RESET0_N M_AXI_GP0 S_AXI_HP0]
}

# A Zynq UltraScale+: likewise.
proc ::overlayflow::zynqmp {} {
    variable board
    variable clock_mhz
    set name zynq_ultra_ps_e_0
    set system [::overlayflow::cell zynq_ultra_ps_e $name]
    apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e -config \
        [list apply_board_preset [expr {$board ne ""}]] $system
    # Ports that a preset opens and nothing uses want a clock. The clock's source: pynq takes the
    # dividers for those of the IO PLL, and the default is another.
    set_property -dict [list \
        CONFIG.PSU__USE__M_AXI_GP0 1 \
        CONFIG.PSU__USE__M_AXI_GP1 0 \
        CONFIG.PSU__USE__M_AXI_GP2 0 \
        CONFIG.PSU__USE__S_AXI_GP2 1 \
        CONFIG.PSU__SAXIGP2__DATA_WIDTH 128 \
        CONFIG.PSU__FPGA_PL0_ENABLE 1 \
        CONFIG.PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL \
        CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $clock_mhz] $system
    ::overlayflow::require_pll $system PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ \
        PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0 PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1
    return [list $name pl_clk0 pl_resetn0 M_AXI_HPM0_FPD S_AXI_HP0_FPD]
}

# Fail unless the clock is divided from the PLL that the board's image runs: pynq sets the dividers
# that the design names, and not the clock.
proc ::overlayflow::require_pll {system built divisor0 divisor1} {
    variable pll_mhz
    set mhz 1.0
    foreach name [list $built $divisor0 $divisor1] {
        set mhz [expr {$mhz * [get_property CONFIG.$name $system]}]
    }
    if {abs($mhz / double($pll_mhz) - 1) > 0.01} {
        ::overlayflow::fail "the design divides a PLL of $mhz MHz, the board's runs at $pll_mhz MHz"
    }
}

# The DMA, as hls4ml's driver wants it.
proc ::overlayflow::dma {name} {
    set dma [::overlayflow::cell axi_dma $name]
    set_property -dict [list \
        CONFIG.c_include_sg 0 \
        CONFIG.c_sg_include_stscntrl_strm 0 \
        CONFIG.c_sg_length_width 26 \
        CONFIG.c_addr_width 32 \
        CONFIG.c_include_mm2s 1 \
        CONFIG.c_m_axi_mm2s_data_width 32 \
        CONFIG.c_m_axis_mm2s_tdata_width 32 \
        CONFIG.c_mm2s_burst_size 256 \
        CONFIG.c_include_s2mm 1 \
        CONFIG.c_m_axi_s2mm_data_width 32 \
        CONFIG.c_s2mm_burst_size 256] $dma
    return $dma
}

# The whole design, saved.
proc ::overlayflow::block_design {} {
    variable project
    variable system
    create_bd_design design_1
    lassign [::overlayflow::$system] ps clock reset control memory
    set dma [::overlayflow::dma axi_dma_0]
    set top ${project}_axi_0
    set accelerator [create_bd_cell -type module -reference ${project}_axi $top]
    set registers [::overlayflow::interconnect control_intercon 1 2]
    set buffers [::overlayflow::interconnect axi_mem_intercon 2 1]
    set resets [::overlayflow::cell proc_sys_reset rst_0]

    set supplied [list $dma $accelerator $registers $buffers]
    connect_bd_net [get_bd_pins $ps/$clock] \
        {*}[::overlayflow::inputs clk [list [get_bd_cells $ps] $resets {*}$supplied]]
    connect_bd_net [get_bd_pins $ps/$reset] [get_bd_pins rst_0/ext_reset_in]
    connect_bd_net [get_bd_pins rst_0/peripheral_aresetn] {*}[::overlayflow::inputs rst $supplied]

    ::overlayflow::join_interfaces $ps/$control control_intercon/S00_AXI
    ::overlayflow::join_interfaces control_intercon/M00_AXI axi_dma_0/S_AXI_LITE
    ::overlayflow::join_interfaces control_intercon/M01_AXI $top/s_axi_control
    ::overlayflow::join_interfaces axi_dma_0/M_AXI_MM2S axi_mem_intercon/S00_AXI
    ::overlayflow::join_interfaces axi_dma_0/M_AXI_S2MM axi_mem_intercon/S01_AXI
    ::overlayflow::join_interfaces axi_mem_intercon/M00_AXI $ps/$memory
    ::overlayflow::join_interfaces axi_dma_0/M_AXIS_MM2S $top/s_axis
    ::overlayflow::join_interfaces $top/m_axis axi_dma_0/S_AXIS_S2MM

    # Where hls4ml's driver looks for it.
    group_bd_cells hier_0 [get_bd_cells axi_dma_0] [get_bd_cells $top]
    assign_bd_address
    ::overlayflow::require_clock
    validate_bd_design
    save_bd_design
}

# Fail unless a cell's clocks, resets and interfaces lead somewhere, as a hardware handoff says.
proc ::overlayflow::require_connected {cell handoff} {
    set begin [string first "FULLNAME=\"/hier_0/$cell\"" $handoff]
    if {$begin < 0} { ::overlayflow::fail "the design has no cell $cell" }
    set module [string range $handoff $begin [string first "</MODULE>" $handoff $begin]]
    foreach port [regexp -all -inline {<PORT [^>]*>} $module] {
        set is_input [regexp {DIR="I"} $port]
        if {$is_input && [regexp {SIGIS="(clk|rst)"} $port] && ![regexp {SIGNAME="[^"]} $port]} {
            regexp { NAME="([^"]*)"} $port -> name
            ::overlayflow::fail "nothing drives $name of $cell"
        }
    }
    foreach interface [regexp -all -inline {<BUSINTERFACE [^>]*BUSNAME="__NOC__"[^>]*>} $module] {
        regexp { NAME="([^"]*)"} $interface -> name
        ::overlayflow::fail "$name of $cell is connected to nothing"
    }
}

# Generate what the design's cells are made of, and look into the hardware handoff: Vivado only warns
# of resets without a driver and of registers or memory that are mapped nowhere, says nothing of
# streams that lead nowhere, and the transfers of such a design never end.
proc ::overlayflow::generate {} {
    variable project
    generate_target all [get_files design_1.bd]
    set handoff [::overlayflow::handoff]
    if {$handoff eq ""} { return }
    set file [open $handoff]
    set text [read $file]
    close $file
    foreach cell [list axi_dma_0 ${project}_axi_0] { ::overlayflow::require_connected $cell $text }
    foreach {what pattern} [list \
        "registers of the DMA" {<MEMRANGE [^>]*SLAVEBUSINTERFACE="S_AXI_LITE"} \
        "registers of ${project}_axi" {<MEMRANGE [^>]*SLAVEBUSINTERFACE="s_axi_control"} \
        "memory that is read" {<MEMRANGE [^>]*MASTERBUSINTERFACE="M_AXI_MM2S"} \
        "memory that is written" {<MEMRANGE [^>]*MASTERBUSINTERFACE="M_AXI_S2MM"}] {
        if {![regexp $pattern $text]} { ::overlayflow::fail "no address leads to the $what" }
    }
}
