"""The HTTP client of the tests, in this process or over the wire."""

import httpx2

Answer = httpx2.Response
Client = httpx2.Client

__all__ = ["Answer", "Client"]
