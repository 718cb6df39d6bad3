"""Optional fast path: the HTTP protocol and the route table."""
