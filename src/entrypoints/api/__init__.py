"""The REST API: one module per resource, with its schemas and routes."""
