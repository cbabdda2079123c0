"""What holds for all tests: how hypothesis behaves."""

from hypothesis import settings

# Time is measured in bench/, never in a test; and nothing is left in the checkout.
settings.register_profile("overlayflow", deadline=None, database=None)
settings.load_profile("overlayflow")
