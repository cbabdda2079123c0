# What hls4ml's design.tcl lacks, added around it without a change of its text.
#
# design.tcl is sourced inside the namespace ::overlayflow::around: the commands defined there stand
# before Vivado's own of the same name, for design.tcl alone.

namespace eval ::overlayflow {
    variable jobs [lindex $::argv 0]
    variable clock_mhz [lindex $::argv 1]
    # Python reads these files. From the first on a build is resumed, not begun again.
    variable launched overlayflow_launched
    variable synthesised utilization_synth.rpt
}

# Fail, with a line that stands out in the log.
proc ::overlayflow::fail {text} {
    puts "ERROR: \[overlayflow\] $text"
    error $text
}

# Clock the fabric as asked: hls4ml's block design takes the board's default, whatever ClockPeriod
# says. To be called on a complete design: its rules name clocks by their default frequency.
proc ::overlayflow::set_clock {} {
    variable clock_mhz
    foreach {vlnv asked built} {
        xilinx.com:ip:processing_system7:*
        CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ
        CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ
        xilinx.com:ip:zynq_ultra_ps_e:*
        CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ
        CONFIG.PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ
    } {
        set system [get_bd_cells -quiet -hierarchical -filter "VLNV =~ $vlnv"]
        if {$system eq ""} { continue }
        if {abs([get_property $asked $system] - $clock_mhz) > 0.001} {
            set_property -dict [list $asked $clock_mhz] $system
            validate_bd_design
            save_bd_design
        }
        set mhz [get_property $built $system]
        puts "overlayflow: the fabric's clock is $mhz MHz, asked for $clock_mhz MHz"
        if {abs($mhz / double($clock_mhz) - 1) > 0.01} {
            ::overlayflow::fail "the processing system makes $mhz MHz of $clock_mhz MHz"
        }
        return
    }
    ::overlayflow::fail "the block design has no processing system that is known"
}

# Fail unless a run came to its end: wait_on_run says no word about how it ended.
proc ::overlayflow::require_complete {run} {
    set progress [get_property PROGRESS [get_runs $run]]
    if {$progress ne "100%"} {
        set status [get_property STATUS [get_runs $run]]
        ::overlayflow::fail "run $run ended at $progress ($status)"
    }
}

# Synthesize the whole design, and report what it takes: a Vivado whose design is too big is ended
# by Python then, before hours of placement and routing.
proc ::overlayflow::synthesize {} {
    variable jobs
    variable launched
    variable synthesised
    if {[get_property PROGRESS [get_runs synth_1]] ne "100%"} {
        file delete $synthesised
        ::launch_runs synth_1 -jobs $jobs
        close [open $launched w]
        ::wait_on_run synth_1
        ::overlayflow::require_complete synth_1
    }
    if {[file exists $synthesised]} { return }
    ::open_run synth_1
    report_utilization -file $synthesised.new
    close_design
    file rename $synthesised.new $synthesised
}

# Launch what is left and wait for it, as long as it takes: Python has the deadline.
proc ::overlayflow::implement {} {
    variable jobs
    ::overlayflow::synthesize
    ::launch_runs impl_1 -to_step write_bitstream -jobs $jobs
    ::wait_on_run impl_1
    ::overlayflow::require_complete impl_1
}

# Reports of the design that is open.
proc ::overlayflow::report {} {
    file mkdir reports
    report_utilization -file reports/utilization_placed.rpt
    report_timing_summary -max_paths 10 -file reports/timing_summary_routed.rpt
    report_power -file reports/power_routed.rpt
    report_route_status -file reports/route_status.rpt
    report_drc -file reports/drc_routed.rpt
    report_methodology -file reports/methodology_routed.rpt
}

namespace eval ::overlayflow::around {
    # The design is complete when its wrapper is made, and validated there.
    proc make_wrapper {args} {
        ::overlayflow::set_clock
        ::make_wrapper {*}$args
    }

    # hls4ml launches everything at once, and asks for 6 jobs, whatever the machine has.
    proc launch_runs {args} {
        ::overlayflow::synthesize
        set at [lsearch -exact $args -jobs]
        if {$at >= 0} { set args [lreplace $args $at $at+1] }
        ::launch_runs {*}$args -jobs $::overlayflow::jobs
    }

    # hls4ml waits for 360 minutes, and goes on with whatever is there then.
    proc wait_on_run {args} {
        set at [lsearch -exact $args -timeout]
        if {$at >= 0} { set args [lreplace $args $at $at+1] }
        ::wait_on_run {*}$args
        ::overlayflow::require_complete [lindex $args end]
    }
}
