"""Optional fast path: reads and writes that bypass SQLAlchemy."""
