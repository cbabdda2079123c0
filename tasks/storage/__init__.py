"""Below tasks/store.py: what an entry is, entries on a local path, entries that machines share."""
