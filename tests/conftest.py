"""What holds for all tests: how hypothesis behaves, and that Ctrl-C can be tested."""

import os
import signal

from hypothesis import settings

# Time is measured in bench/, never in a test; nothing is left in the checkout; people explore, CI
# repeats, and what fails once can be repeated by what it prints.
settings.register_profile(
    "overlayflow",
    deadline=None,
    database=None,
    derandomize="CI" in os.environ,
    print_blob=True,
)
settings.load_profile("overlayflow")

# A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
