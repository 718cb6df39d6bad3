"""How it is kept and sent: one module for each outside thing, named after the technology."""
