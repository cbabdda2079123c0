# Start Vivado HLS and end it: its first lines say whether the y2k22 patch is there.

exit
