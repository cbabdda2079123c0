"""The foundations that every other folder uses: errors, settings, requirements, records."""
