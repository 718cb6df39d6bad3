"""What the tests stand on: databases, applications, a running service."""
