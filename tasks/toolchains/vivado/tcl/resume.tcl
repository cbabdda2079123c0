# Take up an implementation that was launched before:
# vivado -mode batch -source resume.tcl -tclargs JOBS CLOCK_MHZ PROJECT.xpr RUN...
# The runs named, and those that Vivado itself holds for unfinished, are done again; finished
# out-of-context runs stay.

source [file join [file dirname [file normalize [info script]]] runs.tcl]
open_project [lindex $::argv 2]
foreach run [get_runs] {
    set finished [expr {[get_property PROGRESS $run] eq "100%"}]
    set untouched [string equal [get_property STATUS $run] "Not started"]
    if {$run in [lrange $::argv 3 end] || !($finished || $untouched)} {
        puts "overlayflow: run $run is done again"
        reset_run $run
    }
}
::overlayflow::finish
