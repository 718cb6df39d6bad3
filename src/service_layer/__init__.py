"""Use cases over a unit of work, the runner that executes them, and the query ports."""
