"""How the WSDLs and the page for people are served."""

import pytest
from lxml import etree

from gateway.domain.errors import Unauthorized
from gateway.translate.soap_versions import SOAP11, SOAP12, SoapVersion
from tests.wire.conftest import published
from tests.wire.soap_stand import Stand
from tests.wire.valid import WSDL_FILES


@pytest.mark.parametrize("path", ["/soap/v2", "/soap/v2/"])
@pytest.mark.parametrize(
    ("query", "served"),
    [
        ("wsdl", SOAP11),
        ("WSDL", SOAP11),
        ("singleWsdl", SOAP11),
        ("wsdl=1.1", SOAP11),
        ("wsdl=1.2", SOAP12),
        ("singleWsdl=1.2", SOAP12),
        ("wsdl&x=y", SOAP11),
        ("a=b&wsdl=1.2&c", SOAP12),
    ],
)
async def test_the_wsdl_is_served(path: str, query: str, served: SoapVersion) -> None:
    stand = Stand()
    reply = await stand.http.get(f"{path}?{query}")
    assert reply.status_code == 200
    assert reply.content == published()[WSDL_FILES[served]]
    assert reply.headers["content-type"] == "text/xml; charset=utf-8"
    assert (reply.headers["cache-control"], reply.headers["vary"]) == ("no-store", "Host")
    head = await stand.http.head(f"{path}?{query}")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(reply.content)))


async def test_the_address_follows_each_request_and_never_the_first() -> None:
    stand = Stand()
    for host in ("jobs.example.org", "other.example.org:444", "jobs.example.org"):
        reply = await stand.http.get(f"https://{host}/soap/v2/?wsdl")
        assert f'location="https://{host}/soap/v2/"'.encode() in reply.content


async def test_a_host_cannot_break_the_document() -> None:
    reply = await Stand().http.get("/soap/v2/?wsdl", headers={"host": 'a"<&é'.encode()})
    assert etree.fromstring(reply.content) is not None


async def test_the_address_follows_public_url() -> None:
    stand = Stand(public_url="https://jobs.example.org/gateway/")
    reply = await stand.http.get("/soap/v2/?wsdl=1.2")
    assert b'location="https://jobs.example.org/gateway/soap/v2/"' in reply.content


async def test_the_documents_may_need_a_key() -> None:
    stand = Stand(docs_need_key=True)
    assert (await stand.http.get("/soap/v2/?wsdl")).status_code == 200
    stand.seam.refusal = Unauthorized("a key is needed")
    for path in ("/soap/v2/?wsdl", "/soap/v2/"):
        reply = await stand.http.get(path)
        assert (reply.status_code, reply.headers["www-authenticate"]) == (401, 'Basic realm="jobs-gateway"')
