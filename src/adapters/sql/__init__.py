"""Persistence in SQLite and PostgreSQL: one schema, one mapping, two drivers."""
