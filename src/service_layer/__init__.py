"""What people do: use cases over an open unit of work, and the runner that gives them one."""
