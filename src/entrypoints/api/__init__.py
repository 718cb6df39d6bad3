"""The REST API: one module per resource, schemas and routes together."""
