"""Server-rendered pages: the public site, and `/office` for signed-in users."""
