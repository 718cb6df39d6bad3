"""Adapters: one module per external system, named after the technology."""
