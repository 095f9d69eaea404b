"""A gateway behind a proxy: which address its documents name, and that clients get on with it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import zeep
from lxml import etree
from requests import Session

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.reverse_proxy import ReverseProxy

WSDLS = ("wsdl", "wsdl=1.2")
PUBLIC = "https://jobs.example.org:8443/gateway"
STYLES: dict[str, Callable[[str, str], dict[str, str]]] = {
    "x": lambda client, host: {
        "X-Forwarded-For": client,
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": host,
        "X-Forwarded-Prefix": "/gateway",
    },
    "rfc": lambda client, host: {
        "Forwarded": f'for={client};host="{host}";proto=http',
        "X-Forwarded-Prefix": "/gateway",
    },
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., GatewayProcess]]:
    """Starts a gateway with a key and the settings given, once for the module."""
    started: dict[tuple[tuple[str, str], ...], GatewayProcess] = {}

    def start(**settings: str) -> GatewayProcess:
        known = tuple(sorted(settings.items()))
        if known not in started:
            folder = tmp_path_factory.mktemp("gateway")
            key_file = folder / "key"
            given = {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}
            gateway = GatewayProcess(folder / "data", GATEWAY_BOOTSTRAP_KEY_FILE=str(key_file), **given)
            started[known] = gateway.start()
            gateway.http.headers["X-API-KEY"] = key_file.read_text().strip()
        return started[known]

    yield start
    for gateway in started.values():
        gateway.close()


def host_of(gateway: GatewayProcess) -> str:
    return gateway.http.base_url.netloc.decode()


def address_in(wsdl: httpx.Response) -> str:
    """The one soap:address of a WSDL."""
    assert wsdl.status_code == 200, wsdl.text
    (address,) = etree.fromstring(wsdl.content).xpath("//*[local-name()='address']/@location")
    return str(address)


def through(proxy: ReverseProxy, key: str) -> Any:
    """zeep, over the WSDL that the proxy serves."""
    session = Session()
    session.headers["X-API-KEY"] = key
    return zeep.Client(f"{proxy.url}/soap/v2/?wsdl", transport=zeep.Transport(session=session)).service


@pytest.mark.parametrize("style", STYLES)
def test_clients_call_through_a_trusted_proxy(start: Callable[..., GatewayProcess], style: str) -> None:
    gateway = start(trusted_proxies="127.0.0.1")
    with ReverseProxy(host_of(gateway), prefix="/gateway", headers=STYLES[style]) as proxy:
        for wsdl in WSDLS:
            assert address_in(httpx.get(f"{proxy.url}/soap/v2/?{wsdl}")) == f"{proxy.url}/soap/v2/"
        service = through(proxy, gateway.http.headers["X-API-KEY"])
        assert service.getServiceInfo().name == "jobs-gateway"
        assert proxy.requests[-1] == "POST /gateway/soap/v2/ HTTP/1.1"
        document = httpx.get(f"{proxy.url}/openapi.json").json()
        assert document["servers"] == [{"url": "/gateway"}]


@pytest.mark.parametrize("style", STYLES)
def test_a_proxy_that_nobody_trusts_is_not_believed(start: Callable[..., GatewayProcess], style: str) -> None:
    gateway = start()
    with ReverseProxy(host_of(gateway), prefix="/gateway", headers=STYLES[style]) as proxy:
        for wsdl in WSDLS:
            assert (
                address_in(httpx.get(f"{proxy.url}/soap/v2/?{wsdl}")) == f"{gateway.http.base_url}/soap/v2/"
            )
        assert httpx.get(f"{proxy.url}/openapi.json").json()["servers"] == [{"url": "/"}]


@pytest.mark.parametrize("wsdl", WSDLS)
@pytest.mark.parametrize("trusted", [True, False])
def test_the_whole_address_is_the_proxys_to_tell(
    start: Callable[..., GatewayProcess], wsdl: str, trusted: bool
) -> None:
    gateway = start(
        allowed_hosts="jobs.example.org", trusted_proxies="192.0.2.1,127.0.0.0/8" if trusted else "192.0.2.1"
    )
    own = f"{gateway.http.base_url}/soap/v2/"
    tellings = (
        {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "jobs.example.org", "X-Forwarded-Port": "8443"},
        {"Forwarded": 'for=192.0.2.7;proto=https;host="jobs.example.org:8443"'},
    )
    for telling in tellings:
        reply = gateway.http.get(f"/soap/v2/?{wsdl}", headers={**telling, "X-Forwarded-Prefix": "/gateway"})
        assert address_in(reply) == (f"{PUBLIC}/soap/v2/" if trusted else own)
        assert reply.headers["cache-control"] == "no-store"
        assert ("X-Forwarded-Host" in reply.headers["vary"]) is trusted
        assert reply.headers["vary"].split(", ")[0] == "Host"
    # The next caller is told its own address, not the last one's.
    assert address_in(gateway.http.get(f"/soap/v2/?{wsdl}")) == own


def test_public_url_goes_before_what_proxies_say(start: Callable[..., GatewayProcess]) -> None:
    gateway = start(trusted_proxies="127.0.0.1", public_url=PUBLIC)
    telling = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": host_of(gateway), "X-Forwarded-Prefix": "/x"}
    for wsdl in WSDLS:
        assert address_in(gateway.http.get(f"/soap/v2/?{wsdl}", headers=telling)) == f"{PUBLIC}/soap/v2/"
    assert gateway.http.get("/openapi.json", headers=telling).json()["servers"] == [{"url": PUBLIC}]


@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example", 421), ("127.0.0.1.evil.example", 421), ('a"<b>&', 400), ("é", 400), ("a b", 400)],
)
def test_a_proxy_cannot_give_the_gateway_a_foreign_name(
    start: Callable[..., GatewayProcess], host: str, status: int
) -> None:
    gateway = start(trusted_proxies="127.0.0.1")
    quoted = host.replace('"', '\\"')
    for telling in ({"X-Forwarded-Host": host}, {"Forwarded": f'host="{quoted}"'}):
        headers = {name: value.encode("latin-1") for name, value in telling.items()}
        for path in ("/soap/v2/?wsdl", "/soap/v2/", "/v2/info", "/livez"):
            assert gateway.http.get(path, headers=headers).status_code == status


def test_odd_hosts_never_come_into_a_document(start: Callable[..., GatewayProcess]) -> None:
    gateway = start(trusted_proxies="127.0.0.1")
    for host in ('a"<b>&', "a'b", "127.0.0.1:80/x", "127.0.0.1@evil", "[::1]x", ""):
        reply = gateway.http.get("/soap/v2/?wsdl", headers={"Host": host})
        assert reply.status_code == 400, host


def test_without_keys_a_proxy_is_refused_even_if_it_is_trusted(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path / "data", GATEWAY_TRUSTED_PROXIES="127.0.0.1").start()
    try:
        for header in ("X-Forwarded-For", "X-Forwarded-Prefix", "Forwarded"):
            value = {"X-Forwarded-Prefix": "/a", "Forwarded": "for=192.0.2.7"}.get(header, "192.0.2.7")
            reply = gateway.http.get("/soap/v2/?wsdl", headers={header: value})
            assert (reply.status_code, reply.json()["technicalKey"]) == (403, "FORBIDDEN")
        assert gateway.http.get("/soap/v2/?wsdl").status_code == 200
    finally:
        gateway.close()
