"""The optional fast lane: several use cases share one transaction."""
