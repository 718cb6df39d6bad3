"""Group commit: several use cases share one transaction, and so the cost of one commit."""
