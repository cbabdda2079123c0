"""The eight steps as Prefect tasks, and the plain code below them.

The modules convert, synthesize, implement, package, transfer, benchmark, validate and publish
hold the tasks. Everything else here imports no prefect (2.7 s), so that a child process, a test
or a notebook uses it directly.
"""
