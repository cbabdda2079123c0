"""From a converted hls4ml model to an RTL core, bit-exact with hls4ml's C simulation."""
