"""Query ports, and the views (read models) that they return."""
