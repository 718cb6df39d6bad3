"""The site for the public and the office for the workshop's people: pages over the use cases."""
