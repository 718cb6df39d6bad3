"""How the outside asks: over HTTP, and from the command line."""
