"""Present results as text, tables and pictures."""
