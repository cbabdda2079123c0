# Say what this Vivado has: vivado -mode batch -source probe.tcl -tclargs PART BOARD_PART
# BOARD_PART may be a pattern.

lassign $argv part board_part
puts "overlayflow: part [llength [get_parts -quiet $part]]"
puts "overlayflow: board_part [llength [get_board_parts -quiet $board_part]]"
