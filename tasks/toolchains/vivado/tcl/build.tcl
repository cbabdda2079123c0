# Build a bitstream of a core in its shell:
# vivado -mode batch -source build.tcl -tclargs \
#     JOBS CLOCK_MHZ PROJECT PART SYSTEM PLL_MHZ BOARD_PARTS NEEDS_BOARD
# The working directory holds rtl/; the project comes to lie in vivado/. BOARD_PARTS is a pattern,
# of which the newest board is taken; NEEDS_BOARD, whether a bare part will not do.

set tcl [file dirname [file normalize [info script]]]
source [file join $tcl runs.tcl]
source [file join $tcl design.tcl]

namespace eval ::overlayflow {
    variable project
    variable system
    variable pll_mhz
    variable board
    lassign [lrange $::argv 2 end] project part system pll_mhz boards needs_board

    set board [lindex [get_board_parts -quiet -latest_file_version $boards] 0]
    if {$board eq "" && $needs_board} {
        ::overlayflow::fail "this Vivado has no board files of $boards"
    }
    create_project project_1 vivado -part $part -force
    if {$board ne ""} {
        puts "overlayflow: the board is $board"
        set_property board_part $board [current_project]
        # A board brings its own part.
        if {[get_property PART [current_project]] ne $part} {
            ::overlayflow::fail "the board $board is for [get_property PART [current_project]]"
        }
    }
    add_files -norecurse [glob rtl/*.v rtl/*.sv]
    update_compile_order -fileset sources_1
    ::overlayflow::block_design
    add_files -norecurse [make_wrapper -files [get_files design_1.bd] -top]
    set_property top design_1_wrapper [current_fileset]
    update_compile_order -fileset sources_1
    ::overlayflow::generate
    ::overlayflow::finish
}
