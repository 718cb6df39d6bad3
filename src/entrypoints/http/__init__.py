"""The REST API: what `docs/api` promises, built once for all resources."""
