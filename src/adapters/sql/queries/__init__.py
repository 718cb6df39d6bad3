"""The query ports over a SQL database."""
