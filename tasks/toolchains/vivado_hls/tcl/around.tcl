# What hls4ml's design.tcl lacks, added around it without a change of its text.
#
# design.tcl is sourced inside the namespace ::overlayflow::around: the commands defined there stand
# before Vivado's own of the same name, for design.tcl alone.

set tcl [file dirname [file normalize [info script]]]
source [file join $tcl .. .. vivado tcl runs.tcl]

# Clock the fabric as asked: hls4ml's block design takes the board's default, whatever ClockPeriod
# says. To be called on a complete design: its rules name clocks by their default frequency.
proc ::overlayflow::set_clock {} {
    variable clock_mhz
    lassign [::overlayflow::processing_system] system asked built
    if {abs([get_property $asked $system] - $clock_mhz) > 0.001} {
        set_property -dict [list $asked $clock_mhz] $system
        validate_bd_design
        save_bd_design
    }
    ::overlayflow::require_clock
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
