"""What every part stands on: errors, settings, requirements, records."""
