"""Demo data: a small workshop with users, stock, devices and a history, created by use cases."""
