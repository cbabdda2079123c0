"""overlayflow twin start|status|stop."""
