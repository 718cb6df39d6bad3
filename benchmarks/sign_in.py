"""Sign in to a running server as the bench's admin, and print the token."""

import http.client
import json
import os
import sys
from urllib.parse import urlencode, urlsplit


def sign_in(address: str) -> str:
    """Return a token; the password is in BENCHED_PASSWORD."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    form = {"username": "bench", "password": os.environ["BENCHED_PASSWORD"]}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/api/v1/auth/token", urlencode(form), headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"Signing in: {answer.status} {body.decode()}")
    token: str = json.loads(body)["access_token"]
    return token


if __name__ == "__main__":
    print(sign_in(sys.argv[1]))
