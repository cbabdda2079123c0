# Implement an hls4ml project: vivado -mode batch -source implement.tcl -tclargs JOBS CLOCK_MHZ
# The working directory is that of the project.

source [file join [file dirname [file normalize [info script]]] around.tcl]
namespace eval ::overlayflow::around { source design.tcl }
if {![file exists $::overlayflow::launched]} {
    ::overlayflow::fail "design.tcl has not launched its runs through overlayflow"
}
::overlayflow::report
