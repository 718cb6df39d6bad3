"""The domain model: aggregates, their rules, and the interfaces of their repositories."""
