"""The performance harness: measure figures and compare them with their budgets."""
