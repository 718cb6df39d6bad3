"""The same ports over dictionaries, for tests and experiments without a database."""
