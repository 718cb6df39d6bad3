"""Test support: databases, applications, clients, and services in separate processes."""
