"""The same ports over dictionaries: for tests, and for trying an idea without a database."""
