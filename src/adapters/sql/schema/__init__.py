"""Tables, their mapping to the aggregates, search indexes, and the migration runner."""
