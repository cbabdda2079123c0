"""The directory on the twin's PYTHONPATH: the hook `sitecustomize` and the emulated device."""
