"""The Prefect tasks, one per module; everything else that needs Prefect is in orchestration/.

Every other folder contains plain code, named after what it knows. Plain code does not import
prefect, which takes 2.7 s, so child processes, tests and notebooks can use it directly.
"""
