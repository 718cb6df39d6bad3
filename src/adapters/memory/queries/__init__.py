"""The query ports over dictionaries."""
