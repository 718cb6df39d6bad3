"""The public address, which links, cookies and the same-origin check follow."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from entrypoints.web.origins import Origin
from entrypoints.web.proxies import TrustedProxies
from support.backends import Clock, memory_app
from support.people import MEMBER, PASSWORD

PUBLIC = "https://workshop.example:8443"
PROXY = "192.0.2.1"
CREDENTIALS = {"username": MEMBER.username, "password": PASSWORD}


def client(base: str = "http://10.0.0.5:8000", peer: str = PROXY, **options: Any) -> TestClient:
    """Return a browser whose requests come by a proxy, unless its own address is given."""
    app = memory_app(Clock(), **options)
    return TestClient(app, base_url=base, client=(peer, 50_000), follow_redirects=False)


def behind(public: str = PUBLIC, **options: Any) -> TestClient:
    return client(origin=Origin.parse(public), **options)


def sign_in(at: TestClient, origin: str, **headers: str) -> Any:
    return at.post("/sign-in", data=CREDENTIALS, headers={"Origin": origin, **headers})


def cookie_names(answer: Any) -> list[str]:
    """Return what the cookies of the session and of the known browser are called."""
    return [line.partition("=")[0] for line in answer.headers.get_list("set-cookie")]


# With a public address


@pytest.mark.parametrize("host", ["workshop.example", "workshop.example:8443", "10.0.0.5:8000"])
def test_signing_in_works_whatever_host_a_proxy_names(host: str) -> None:
    answer = sign_in(behind(), PUBLIC, Host=host)
    assert answer.status_code == 303
    assert cookie_names(answer) == ["__Host-atelier-8443", "__Host-atelier-known-8443"]
    assert all("; Secure" in line for line in answer.headers.get_list("set-cookie"))


@pytest.mark.parametrize(
    "origin",
    ["https://workshop.example", "http://workshop.example:8443", "http://10.0.0.5:8000", "null"],
)
def test_a_form_of_another_origin_than_the_public_one_is_refused(origin: str) -> None:
    assert sign_in(behind(), origin).status_code == 403


def test_a_session_lasts_under_another_host_than_the_public_one() -> None:
    browser = behind()
    secret = sign_in(browser, PUBLIC).headers["set-cookie"].partition("=")[2].partition(";")[0]
    for host in ("workshop.example", "10.0.0.5:8000"):
        headers = {"Host": host, "Cookie": f"__Host-atelier-8443={secret}"}
        assert browser.get("/office", headers=headers).status_code == 200


def test_links_name_the_public_address_whatever_host_was_asked() -> None:
    browser = behind()
    for host in ("10.0.0.5:8000", "evil.example"):
        feed = browser.get("/feed.atom", headers={"Host": host}).text
        assert f'href="{PUBLIC}/feed.atom"' in feed
        assert host not in feed
        page = browser.get("/", headers={"Host": host}).text
        assert f'rel="canonical" href="{PUBLIC}/"' in page
        assert host not in page


def test_a_request_for_another_host_is_served() -> None:
    assert behind().get("/health/live", headers={"Host": "10.0.0.5"}).status_code == 200


def test_the_api_description_names_the_public_address() -> None:
    assert behind().get("/openapi.json").json()["servers"] == [{"url": PUBLIC}]
    assert client().get("/openapi.json").json()["servers"] == [{"url": "/"}]


@pytest.mark.parametrize("path", ["/", "/health/live", "/nowhere", "/api/v1/tasks"])
def test_browsers_are_told_to_use_tls_where_the_public_address_does(path: str) -> None:
    name = "strict-transport-security"
    assert behind().get(path).headers[name] == "max-age=31536000"
    assert name not in behind("http://workshop.example").get(path).headers
    assert name not in client().get(path).headers


# Without one


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("Workshop.Example", "http://workshop.example"),
        ("workshop.example:80", "http://workshop.example"),
        ("workshop.example:443", "https://workshop.example"),
        ("WORKSHOP.example:8000", "http://workshop.example:8000"),
        ("[2001:DB8::0:1]:8000", "http://[2001:db8::1]:8000"),
    ],
)
def test_a_host_with_default_port_or_in_capitals_is_the_same_origin(host: str, origin: str) -> None:
    assert sign_in(client(), origin, Host=host).status_code == 303


@pytest.mark.parametrize("host", ["", "evil host", "a/b", "[::1"])
def test_a_host_that_is_none_is_the_origin_of_no_page(host: str) -> None:
    assert sign_in(client(), "http://localhost", Host=host).status_code == 403


def test_services_under_two_ports_of_one_host_keep_their_sessions_apart() -> None:
    names = [
        cookie_names(sign_in(client(base), base))
        for base in ("http://host:8000", "http://host:8001", "http://host", "https://host:8443")
    ]
    assert names == [
        ["atelier-8000", "atelier-known-8000"],
        ["atelier-8001", "atelier-known-8001"],
        ["atelier", "atelier-known"],
        ["__Host-atelier-8443", "__Host-atelier-known-8443"],
    ]


def test_a_session_from_before_cookies_had_ports_goes_on() -> None:
    browser = client()
    answer = sign_in(browser, "http://10.0.0.5:8000")
    secret = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
    browser.cookies.clear()
    assert browser.get("/office").status_code == 303
    assert browser.get("/office", headers={"Cookie": f"atelier={secret}"}).status_code == 200


# Trusted proxies


@pytest.fixture
def trusting() -> Iterator[TestClient]:
    yield client(trusted_proxies=[PROXY, "10.0.0.0/8"])


def test_a_trusted_proxy_may_name_the_host_and_the_scheme_that_were_asked(
    trusting: TestClient,
) -> None:
    said = {"X-Forwarded-Host": "Workshop.Example:443", "X-Forwarded-Proto": "https"}
    answer = sign_in(trusting, "https://workshop.example", **said)
    assert (answer.status_code, cookie_names(answer)[0]) == (303, "__Host-atelier")
    assert 'href="https://workshop.example/"' in trusting.get("/feed.atom", headers=said).text


@pytest.mark.parametrize("options", [{}, {"trusted_proxies": ["198.51.100.1"]}])
def test_nobody_else_may(options: Any) -> None:
    said = {"X-Forwarded-Host": "workshop.example", "X-Forwarded-Proto": "https"}
    asked = client(**options)
    assert sign_in(asked, "https://workshop.example", **said).status_code == 403
    assert "workshop.example" not in asked.get("/feed.atom", headers=said).text


def test_a_forwarded_host_that_is_none_is_passed_over(trusting: TestClient) -> None:
    said = {"X-Forwarded-Host": "evil host/"}
    assert sign_in(trusting, "http://10.0.0.5:8000", **said).status_code == 303


@pytest.mark.parametrize(
    ("forwarded", "told"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:51234", "203.0.113.7"),
        ("[2001:db8::7]:51234", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("198.51.100.9, 203.0.113.7:1, 10.1.2.3", "203.0.113.7"),
        ("10.1.2.3, 10.1.2.4:80", "10.1.2.3"),
        ("made up, 203.0.113.7", "203.0.113.7"),
        ("unknown", PROXY),
        ("203.0.113.7:http", PROXY),
        ("203.0.113.7:99999999999", PROXY),
        ("[203.0.113.7", PROXY),
        ("[2001:db8::7]51234", PROXY),
        ("unknown, 10.1.2.3", PROXY),
        ("", PROXY),
        (" , ", PROXY),
    ],
)
def test_the_clients_address_is_the_one_that_trusted_proxies_tell(
    forwarded: str, told: str
) -> None:
    assert client_address(forwarded, PROXY) == told
    assert client_address(forwarded, "203.0.113.99") == "203.0.113.99"


def test_a_trusted_proxy_that_comes_by_ipv6_is_the_same_one() -> None:
    assert client_address("203.0.113.7", f"::ffff:{PROXY}") == "203.0.113.7"


def client_address(forwarded: str, peer: str) -> str:
    """Return where the application takes a request to come from."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    proxies = TrustedProxies(app, [PROXY, "10.0.0.0/8"])
    TestClient(proxies, client=(peer, 1)).get("/", headers={"X-Forwarded-For": forwarded})
    return seen[0]
