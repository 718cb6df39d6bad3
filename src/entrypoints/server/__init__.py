"""The optional fast lane: the HTTP protocol and the route table."""
