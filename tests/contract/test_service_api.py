"""Health probes and the documentation of the API."""

import re
from urllib.parse import urlsplit

from support.clients import Client


def test_health_probes_succeed(client: Client) -> None:
    assert client.get("/health/live").status_code == 200
    ready = client.get("/health/ready")
    assert ready.json() == {"status": "ok", "database": "reachable", "schema": "current"}


def test_the_health_address_leads_to_readiness(client: Client) -> None:
    answer = client.get("/health", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/health/ready")


def test_the_documentation_asks_nothing_of_other_hosts(client: Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) >= 3
    for address in named:
        assert not urlsplit(address).netloc, address
        assert client.get(address).status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_the_document_declares_each_operation_with_its_problems(client: Client) -> None:
    document = client.get("/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    operations = {
        operation["operationId"]: operation
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    assert set(operations) >= {
        "create_task", "list_tasks", "count_tasks", "read_task", "edit_task", "delete_task",
        "complete_task", "reopen_task", "live", "ready",
    }  # fmt: skip
    assert set(operations["edit_task"]["responses"]) == {
        *("200", "400", "401", "403", "404", "409", "412", "413", "415", "422", "428"),
        *("408", "431", "500", "503"),
    }  # fmt: skip
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (name, status)
