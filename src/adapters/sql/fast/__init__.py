"""The optional fast lane: reads and writes that go past SQLAlchemy."""
