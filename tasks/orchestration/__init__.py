"""What needs Prefect besides the tasks: caching, queues, leases, progress, logs, the server."""
