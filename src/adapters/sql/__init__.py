"""How it is kept in SQLite and in PostgreSQL: one schema, one mapping, two ways to connect."""
