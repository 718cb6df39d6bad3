"""The demo: a small workshop with people, stock, machines and a past, told through use cases."""
