# Take up an implementation that was launched before:
# vivado -mode batch -source resume.tcl -tclargs JOBS CLOCK_MHZ PROJECT RUN...
# The runs named, and those that Vivado itself holds for unfinished, are done again; finished
# out-of-context runs stay.

source [file join [file dirname [file normalize [info script]]] around.tcl]
open_project [lindex $::argv 2]_vivado_accelerator/project_1.xpr
foreach run [get_runs] {
    set finished [expr {[get_property PROGRESS $run] eq "100%"}]
    set untouched [string equal [get_property STATUS $run] "Not started"]
    if {$run in [lrange $::argv 3 end] || !($finished || $untouched)} {
        puts "overlayflow: run $run is done again"
        reset_run $run
    }
}
if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} { ::overlayflow::implement }
open_run impl_1
report_utilization -file util.rpt -hierarchical -hierarchical_percentages
::overlayflow::report
