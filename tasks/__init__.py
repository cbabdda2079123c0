"""The Prefect tasks, one a module; what Prefect needs besides is in orchestration/.

Every other folder is plain: it imports no prefect (2.7 s), so that a child process, a test or a
notebook uses it directly, and is named by what it knows.
"""
