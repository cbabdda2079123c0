"""Everything besides the tasks that needs Prefect: caching, queues, leases, progress, run logs."""
