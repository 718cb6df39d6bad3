"""The REST API: what `docs/api.md` promises, built once for all resources."""
