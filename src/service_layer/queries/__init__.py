"""The query ports, and the views that they return."""
