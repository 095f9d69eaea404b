"""The check that each envelope passes: what it refuses, and that each client of the suites makes it."""

import pytest
from lxml import etree

from gateway.domain.errors import JobNotFound
from gateway.soap.protocol import JobsSoap11
from gateway.translate.soap_versions import SOAP11, SOAP12, SoapVersion
from tests.wire.clients import SoapClient
from tests.wire.soap_stand import Stand
from tests.wire.valid import check, check_envelope

GET_JOB = "<j:getJob><j:jobId>a</j:jobId></j:getJob>"

BROKEN_IN_BOTH = [
    ("<limit>50</limit>", ""),
    ("<limit>50</limit>", "<limit>many</limit>"),
    ("<jobs>", "<total>1</total><jobs>"),
    ("<limit>50</limit>", "<limit>50</limit><more/>"),
    ("<limit>", '<limit xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:nil="false">'),
    ("listJobsResponse", "listJobs"),
    ("<soap:Body>", "<soap:Body>text"),
    ("</soap:Body>", "<more/></soap:Body>"),
    ("</soap:Body>", "</soap:Body><more/>"),
    ("<soap:Header>", "<soap:Header><version xmlns='urn:jobs-gateway:v2'>1</version>"),
    ("<soap:Body>", '<soap:Body soap:encodingStyle="">'),
    ("<soap:Body>", '<soap:Body soap:actor="">'),
    ("<soap:Body>", "<?pi?><soap:Body>"),
    ("<soap:Envelope", "<!DOCTYPE e><soap:Envelope"),
]
BROKEN_FAULTS = [
    (SOAP11, "soap:Client", "soap:Client.NotFound"),
    (SOAP11, "soap:Client", "soap:Sender"),
    (SOAP11, "soap:Client", "Client"),
    (SOAP11, "faultcode", "soap:faultcode"),
    (SOAP11, "<detail>", "<faultactor>us</faultactor><detail>"),
    (SOAP11, "<code>40400001</code>", ""),
    (SOAP12, "soap:Sender", "http://www.w3.org/2003/05/soap-envelope:Sender"),
    (SOAP12, "soap:Sender", "soap:Client"),
    (SOAP12, ' xml:lang="en"', ""),
    (SOAP12, "soap:Detail", "soap:detail"),
    (SOAP12, "<code>40400001</code>", ""),
]


@pytest.mark.parametrize("version", [SOAP11, SOAP12], ids=["1.1", "1.2"])
@pytest.mark.parametrize(("part", "other"), BROKEN_IN_BOTH)
async def test_an_envelope_that_breaks_a_rule_is_refused(version: SoapVersion, part: str, other: str) -> None:
    reply = await Stand().body("<j:listJobs/>", version)
    text = reply.text[reply.text.index("<soap:Envelope") :]
    assert check_envelope(text.encode(), version) is None
    assert part in text
    with pytest.raises((AssertionError, ValueError, etree.DocumentInvalid)):
        check_envelope(text.replace(part, other).encode(), version)


@pytest.mark.parametrize(("version", "part", "other"), BROKEN_FAULTS)
async def test_a_fault_that_breaks_a_rule_is_refused(version: SoapVersion, part: str, other: str) -> None:
    stand = Stand()
    stand.seam.error = JobNotFound("no")
    text = (await stand.body(GET_JOB, version)).text
    assert check_envelope(text.encode(), version) == version.client_code
    assert part in text
    with pytest.raises((AssertionError, KeyError, etree.DocumentInvalid)):
        check_envelope(text.replace(part, other).encode(), version)


async def test_the_status_goes_with_the_envelope() -> None:
    stand = Stand()
    good = await stand.body(GET_JOB)
    stand.seam.error = JobNotFound("no")
    fault = await stand.body(GET_JOB)
    for reply, status in ((good, 500), (fault, 200), (fault, 404)):
        with pytest.raises(AssertionError):
            check(reply.content, reply.headers, status)
    with pytest.raises(AssertionError):
        check(b"no", {"content-type": "text/plain"}, 500)


async def test_the_clients_of_the_suites_check_what_they_get(
    soap: SoapClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_limit(_protocol: JobsSoap11, ctx: object, _charset: str | None = None) -> None:
        ctx.out_string = [b"".join(ctx.out_document).replace(b"<limit>50</limit>", b"")]  # type: ignore[attr-defined]

    monkeypatch.setattr(JobsSoap11, "create_out_string", without_limit)
    with pytest.raises(etree.DocumentInvalid):
        await soap.call("listJobs")
    with pytest.raises(etree.DocumentInvalid):
        await Stand().body("<j:listJobs/>")
