# Runs of a Vivado project, its clock and its reports: what every build has, whoever made its design.
# The scripts that source this are given JOBS and CLOCK_MHZ first.

namespace eval ::overlayflow {
    variable jobs [lindex $::argv 0]
    variable clock_mhz [lindex $::argv 1]
    # Python reads these files. From the first on a build is resumed, not begun again.
    variable launched overlayflow_launched
    variable synthesised utilization_synth.rpt
    # By processing system: the clock that is asked for, and the one that is made.
    variable clocks {
        xilinx.com:ip:processing_system7:*
        CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ
        CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ
        xilinx.com:ip:zynq_ultra_ps_e:*
        CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ
        CONFIG.PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ
    }
}

# Fail, with a line that stands out in the log.
proc ::overlayflow::fail {text} {
    puts "ERROR: \[overlayflow\] $text"
    error $text
}

# The processing system of the design, with the names of its clock's properties: asked, built.
proc ::overlayflow::processing_system {} {
    variable clocks
    foreach {vlnv asked built} $clocks {
        set cell [get_bd_cells -quiet -hierarchical -filter "VLNV =~ $vlnv"]
        if {$cell ne ""} { return [list $cell $asked $built] }
    }
    ::overlayflow::fail "the block design has no processing system that is known"
}

# Fail unless the processing system makes the clock that was asked for.
proc ::overlayflow::require_clock {} {
    variable clock_mhz
    lassign [::overlayflow::processing_system] system asked built
    set mhz [get_property $built $system]
    puts "overlayflow: the fabric's clock is $mhz MHz, asked for $clock_mhz MHz"
    if {abs($mhz / double($clock_mhz) - 1) > 0.01} {
        ::overlayflow::fail "the processing system makes $mhz MHz of $clock_mhz MHz"
    }
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

# The hardware handoff, where this version of Vivado keeps one beside its projects; else nothing.
proc ::overlayflow::handoff {} {
    set places */project_1.*/sources_1/bd/design_1/hw_handoff/design_1.hwh
    return [lindex [glob -nocomplain $places] 0]
}

# Implement what is not implemented yet, and report on it.
proc ::overlayflow::finish {} {
    if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} { ::overlayflow::implement }
    open_run impl_1
    report_utilization -file util.rpt -hierarchical -hierarchical_percentages
    ::overlayflow::report
    if {[::overlayflow::handoff] eq ""} { write_hw_platform -fixed -force -file design_1.xsa }
}
