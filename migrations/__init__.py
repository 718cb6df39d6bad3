"""The migrations: one chain for SQLite and PostgreSQL."""
