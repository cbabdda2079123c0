"""Toolchains: build a loadable design from an hls4ml project."""
