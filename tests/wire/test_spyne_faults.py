"""Spyne's faults: each shown in plain Spyne, and worked round here.

The first half of a test fails when a newer Spyne has mended the fault, so that its workaround can go; the
second when the workaround is taken out. `gateway/soap/__init__.py` tells which place works round which fault.
"""

import gc
import importlib
import json
import logging
import re
import threading
from collections.abc import Iterator
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydantic import ValidationError

from gateway.contract.registry import OPERATIONS
from gateway.contract.shapes import Kind, models_of, shape_of
from gateway.domain.errors import JobNotFound, JobsError
from gateway.domain.job import Job
from gateway.domain.model import dump
from gateway.domain.queries import JobPage
from gateway.soap import spyne_compat as spyne
from gateway.soap.door import applications
from gateway.soap.fault import JobsFault, fault_body
from gateway.soap.guard_schema import GuardSchema
from gateway.soap.transport import SoapServer
from gateway.translate.soap_versions import SOAP11, SOAP12, VERSIONS, SoapVersion
from tests.wire.conftest import published
from tests.wire.plain_spyne import HTTP, PLAIN, Color, Plain, Thing, python
from tests.wire.soap_stand import JOB, NS, WSDL, XSD, Said, Stand, stored
from tests.wire.valid import WSDL_FILES

GET_JOB = "<j:getJob><j:jobId>a</j:jobId></j:getJob>"


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Plain Spyne prints what it logs when nobody listens."""
    with caplog.at_level(logging.WARNING):
        yield


# Import


def test_import_works_on_each_python_without_a_warning() -> None:
    spec = find_spec("spyne")
    assert spec is not None
    assert spec.origin is not None
    copy = (Path(spec.origin).parent / "util" / "six.py").read_text(encoding="utf-8")
    assert "def find_module" in copy, "Python 3.12 looks for find_spec alone"
    assert "def find_spec" not in copy
    assert python("import spyne.protocol.soap", "-W", "error").returncode == 1

    ours = python(
        "import gateway.soap.spyne_compat, sys, six;"
        "assert sys.modules['spyne.util.six'].PY3 is six.PY3;"
        "assert sys.modules['spyne.util.six'].__spec__ is None;"
        "import spyne.util.six.moves.urllib.parse, spyne.server.wsgi",
        "-W",
        "error",
    )
    assert ours.returncode == 0, ours.stderr


def test_applications_are_not_kept_and_their_names_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    registry = importlib.import_module("spyne.util.appreg").applications
    kept = len(registry)
    for _ in range(2):
        services = [type("Service", (spyne.ServiceBase,), {})]
        spyne.Application(services, PLAIN, "Kept", in_protocol=spyne.Soap11(), out_protocol=spyne.Soap11())
    assert len(registry) == kept + 1
    assert "Overwriting application" in caplog.text
    del registry[PLAIN, "Kept"]
    caplog.clear()

    applications(OPERATIONS, None)
    assert len(registry) == kept
    assert caplog.records == []


# The WSDL


async def test_wsdl_is_built_once(stand: Stand) -> None:
    plain = Plain()
    first, second = plain.wsdl(), plain.wsdl()
    for name in ("portType", "service"):
        assert (len(first.findall(f"{WSDL}{name}")), len(second.findall(f"{WSDL}{name}"))) == (1, 0)

    replies = [await stand.http.get("/soap/v2/?wsdl") for _ in range(2)]
    assert replies[0].content == replies[1].content == published()[WSDL_FILES[SOAP11]]


def test_wsdl_names_the_transport_because_it_is_set_before() -> None:
    theirs = Plain(transport=None).wsdl()
    assert theirs.xpath("//@transport") == ["noconn://null.spyne"]

    for version, (_, document) in applications(OPERATIONS, None).items():
        ours: Any = etree.fromstring(document.at("urn:address"))
        assert ours.xpath("//@transport") == [HTTP]
        assert [port.get("name") for port in ours.iter(f"{WSDL}port")] == [version.port]


def test_wsdl_has_names_actions_and_faults_of_our_own(version: SoapVersion, wsdl: Any) -> None:
    theirs = Plain().wsdl()
    assert theirs.xpath("//@soapAction") == ["echo"]
    assert theirs.xpath("//@parameterOrder") == ["echo"]
    assert {one.get("name") for one in theirs.iter(f"{WSDL}portType", f"{WSDL}binding", f"{WSDL}port")} == {
        "Plain"
    }

    assert set(wsdl.xpath("//@soapAction")) >= {f"{NS}:getJob"}
    assert not wsdl.xpath("//@parameterOrder")
    assert [one.get("name") for one in wsdl.iter(f"{WSDL}portType", f"{WSDL}binding", f"{WSDL}port")] == [
        "Jobs",
        version.port,
        version.port,
    ]
    assert not wsdl.findall(f".//{XSD}complexType[@name='JobsFault']")


def test_wsdl_lists_have_no_holders_and_enumerations_their_own_names(schema: Any) -> None:
    members = [
        ("list", importlib.import_module("spyne").Array(spyne.Unicode)),
        ("color", spyne.Unicode(values=["RED", "GREEN"])),
    ]
    holder = type(Thing)("Holder", (spyne.ComplexModel,), {"__namespace__": PLAIN, "_type_info": members})
    names = Plain(method=spyne.rpc(holder)(lambda _ctx, _holder: None)).wsdl().xpath("//@name")
    assert {"stringArray", "Holder_colorType"} <= set(names)

    assert not [name for name in schema.xpath("//@name") if name.endswith("Array")]
    assert not [name for name in schema.xpath("//@name") if name.endswith("Type") and "_" in name]


# Reading


async def test_a_schema_whose_log_of_errors_is_shared_is_used_by_one_thread(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f'<s:schema xmlns:s="{XSD.strip("{}")}"><s:element name="n" type="s:int"/></s:schema>'
    shared = etree.XMLSchema(etree.fromstring(text))
    shared.validate(etree.fromstring("<n>mine</n>"))
    other = threading.Thread(target=shared.validate, args=[etree.fromstring("<n>yours</n>")])
    other.start()
    other.join()
    assert "yours" in str(shared.error_log), "what another thread's document said"

    used: list[int] = []
    problems = GuardSchema.problems

    def watched(guard: GuardSchema, element: Any) -> Any:
        used.append(threading.get_ident())
        return problems(guard, element)

    monkeypatch.setattr(GuardSchema, "problems", watched)
    # A message that is not known yet, or big, is parsed in a thread of its own.
    for job_id in ("a", "a", "b" * 100_000):
        await stand.body(f"<j:getJob><j:jobId>{job_id}</j:jobId></j:getJob>")
    assert used == [threading.get_ident()] * 3


async def test_nil_is_read_by_its_value(stand: Stand) -> None:
    plain = Plain()
    plain.call('<echo><one xsi:nil="false">x</one></echo>')
    assert plain.asked == [(None, None)]

    fields = '<j:fields><j:name xsi:nil="{}">{}</j:name></j:fields>'
    for said, text, wanted in (("false", "x", "x"), ("true", "", None)):
        change = f"<j:updateJobFields><j:jobId>a</j:jobId>{fields.format(said, text)}</j:updateJobFields>"
        await stand.body(change)
        assert stand.seam.ran[-1][1]["fields"] == {"name": wanted}


async def test_missing_is_not_nil(stand: Stand) -> None:
    plain = Plain()
    plain.call('<echo><one xsi:nil="true"/></echo>')
    assert plain.asked == [(None, None)]

    fields = '<j:fields><j:name xsi:nil="true"/></j:fields>'
    await stand.body(f"<j:updateJobFields><j:jobId>a</j:jobId>{fields}</j:updateJobFields>")
    assert stand.seam.ran[-1][1]["fields"] == {"name": None}, "description is missing, name is nil"


MIME = (
    b"--b\r\nContent-ID: <r>\r\n\r\n%s\r\n"
    b'--b\r\nContent-ID: <x"]|//*["">\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n--b--\r\n'
)
MIME_TYPE = 'multipart/related; boundary=b; start="<r>"; type="text/xml"'


async def test_no_xpath_is_built_from_what_a_caller_sends(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Plain()
    with pytest.raises(etree.XPathEvalError):
        plain.over_wsgi(MIME % plain.envelope("<echo/>"), MIME_TYPE)

    used: list[str] = []
    for name in ("soap11", "soap12"):
        module = importlib.import_module(f"spyne.protocol.soap.{name}")
        for function in ("collapse_swa", "_parse_xml_string"):
            if hasattr(module, function):
                monkeypatch.setattr(module, function, lambda *_given, **_more: used.append("spyne"))
    package = MIME % plain.envelope(f'<getJob xmlns="{NS}"><jobId>a</jobId></getJob>')
    reply = await stand.post(package, headers={"content-type": MIME_TYPE})
    assert 400 <= reply.status_code <= 500
    await stand.body(GET_JOB)
    assert used == []


async def test_an_empty_post_is_answered(stand: Stand) -> None:
    with pytest.raises(StopIteration):
        Plain().over_wsgi(b"")

    for version in VERSIONS:
        said = Said(await stand.post(b"", version))
        assert (said.code, said.key) == (version.client_code, "MALFORMED_MESSAGE")


# Writing


async def test_decimals_have_no_exponent_and_are_finite(stand: Stand) -> None:
    plain = Plain()
    assert ">1E+3<" in plain.call(reply=Thing(number=Decimal("1E+3"), text="a"))
    assert ">Infinity<" in plain.call(reply=Thing(number=Decimal("Infinity"), text="a"))

    metric = {"name": "m", "value": Decimal("1E+3")}
    stand.seam.replies["getJob"] = Job.read(json.loads(dump(JOB)) | {"metrics": [metric]})
    assert "<value>1000</value>" in (await stand.body(GET_JOB)).text
    with pytest.raises(ValidationError):
        Job.read(json.loads(dump(JOB)) | {"metrics": [metric | {"value": Decimal("Infinity")}]})


async def test_the_first_word_of_an_enumeration_is_a_value(stand: Stand) -> None:
    assert not Color.RED
    assert Color.GREEN

    replies = [operation.reply.model for operation in OPERATIONS if operation.reply]
    members = [member for model in models_of(replies) for member in shape_of(model).members]
    assert all(all(member.type) for member in members if member.kind is Kind.WORD)
    stand.seam.replies["getJob"] = Job.read(json.loads(dump(JOB)) | {"jobStatus": "UNKNOWN"})
    assert "<jobStatus>UNKNOWN</jobStatus>" in (await stand.body(GET_JOB)).text


async def test_an_unknown_word_cannot_be_a_value() -> None:
    assert "<tns:color>BLUE</tns:color>" in Plain().call(reply=Thing(color="BLUE", text="a"))

    with pytest.raises(ValidationError):
        Job.read(json.loads(dump(JOB)) | {"jobStatus": "LOST"})


async def test_a_missing_required_value_is_no_reply_and_never_nil(stand: Stand) -> None:
    assert 'xsi:nil="true"' in Plain().call(reply=Thing())

    stand.seam.replies["listJobs"] = JobPage.model_construct(jobs=())
    said = Said(await stand.body("<j:listJobs/>"))
    assert (said.status, said.key) == (500, "INTERNAL_SERVER_ERROR")


async def test_a_reply_that_cannot_be_written_is_a_fault(stand: Stand) -> None:
    plain = Plain()
    plain.reply = Thing(text="\x00")
    status, reply = plain.over_wsgi(plain.envelope("<echo/>"))
    assert status == "200 OK"
    assert len(etree.fromstring(reply)) == 0, "an envelope without a body"

    broken = JOB.with_(name="\x00", version=99)
    for value in (stored(broken), broken, object()):
        stand.seam.replies["getJob"] = value
        said = Said(await stand.body(GET_JOB))
        assert (said.status, said.code, said.key) == (500, "Server", "INTERNAL_SERVER_ERROR")


async def test_whatever_escapes_is_a_fault(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_given: Any, **_more: Any) -> None:
        raise RuntimeError("odd")

    plain = Plain(type("Odd", (spyne.Soap11,), {"deserialize": fails}))
    with pytest.raises(RuntimeError):
        plain.call()

    for place in (
        "create_in_document",
        "decompose_incoming_envelope",
        "generate_method_contexts",
        "deserialize",
    ):
        for version in VERSIONS:
            with monkeypatch.context() as patched:
                patched.setattr(f"gateway.soap.protocol._JobsSoap.{place}", fails)
                said = Said(await stand.body(GET_JOB, version))
            assert (said.status, said.code, said.version) == (500, version.server_code, version)
            assert "odd" not in said.reason


# Faults


def test_fault_codes_have_no_dots_and_no_subcodes() -> None:
    fault = spyne.Fault("Client.NotFound", "no")
    assert ">soap11env:Client.NotFound<" in Plain(spyne.Soap11).call(reply=fault)
    assert "<soap12env:Value>NotFound<" in Plain(spyne.Soap12).call(reply=fault), "a QName without namespace"

    for version in VERSIONS:
        for kind in _errors():
            body = fault_body(JobsFault(kind("no")), "id", version)
            (code,) = re.findall(r"<(?:faultcode|soap:Value)>([^<]*)<", body)
            assert re.fullmatch(r"soap:[A-Za-z]+", code)
            assert "Subcode" not in body


def _errors() -> list[type[JobsError]]:
    def below(kind: type[JobsError]) -> list[type[JobsError]]:
        return [one for child in kind.__subclasses__() for one in (child, *below(child))]

    return [kind for kind in below(JobsError) if "code" in vars(kind) and kind.__init__ is JobsError.__init__]


async def test_faults_of_validation_lie_in_the_namespace_of_soap_12(stand: Stand) -> None:
    parent = etree.Element("parent")
    broken = importlib.import_module("spyne.model.fault").Fault("Client", "no")
    plain = Plain(spyne.Soap12)
    plain.app.out_protocol.schema_validation_error_to_parent(None, type(broken), broken, parent, PLAIN)
    assert "soap12env" in {etree.QName(found).namespace for found in parent.iter("*")}, (
        "a prefix as namespace"
    )

    said = Said(await stand.body("<j:getJob/>", SOAP12))
    assert said.key == "VALIDATION_FAILED"
    assert {etree.QName(found).namespace for found in said.root.iter("*")} == {SOAP12.namespace, NS}


async def test_a_sender_gets_400(stand: Stand) -> None:
    assert spyne.Soap12().fault_to_http_response_code(spyne.Fault("Client")).startswith("500")

    stand.seam.error = JobNotFound("no")
    assert (await stand.body(GET_JOB, SOAP12)).status_code == 400
    assert (await stand.body(GET_JOB, SOAP11)).status_code == 500


async def test_a_callers_fault_is_logged_without_a_traceback(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    schema_fault = type(
        "Refuses",
        (spyne.Soap11,),
        {"deserialize": lambda *_given, **_more: _raise(spyne.Fault("Client", "no"))},
    )
    Plain(schema_fault).call()
    assert [record for record in caplog.records if record.exc_info]
    caplog.clear()

    for body in (
        "<j:getJob/>",
        "<j:what/>",
        "",
        "<j:listJobs><j:query><j:limit>x</j:limit></j:query></j:listJobs>",
    ):
        assert (await stand.body(body)).status_code == 500
    assert caplog.records == []


def _raise(problem: Exception) -> Any:
    raise problem


# The context of a call


async def test_no_call_collects_garbage(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[str] = []
    monkeypatch.setattr(gc, "collect", lambda *_given: collected.append("collected"))
    monkeypatch.setattr(importlib.import_module("spyne.const"), "MIN_GC_INTERVAL", -1.0)
    plain = Plain().context("<echo/>")
    plain.close()
    assert collected == ["collected"]

    await stand.body(GET_JOB)
    assert collected == ["collected"]


async def test_attributes_of_a_context_are_not_guarded(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="udc"):
        Plain().context("<echo/>").of_ours = 1

    contexts: list[Any] = []
    monkeypatch.setattr(SoapServer, "get_in_object", lambda _server, ctx: contexts.append(ctx))
    await stand.body(GET_JOB)
    contexts[0].of_ours = 1
    assert type(contexts[0]).__setattr__ is object.__setattr__


async def test_events_cost_nothing_until_somebody_listens(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    fired: list[str] = []
    fire = spyne.MethodContext.fire_event

    def told(ctx: Any, event: str, *args: Any, **given: Any) -> None:
        fired.append(event)
        fire(ctx, event, *args, **given)

    monkeypatch.setattr(spyne.MethodContext, "fire_event", told)
    plain = Plain()
    plain.call(reply=Thing(text="a"))
    assert "method_return_string" in fired
    fired.clear()

    await stand.body(GET_JOB)
    assert fired == []


async def test_one_method_is_called_without_copying_the_context(stand: Stand) -> None:
    copied: list[str] = []

    class Counted(spyne.MethodContext):  # type: ignore[misc]  # Spyne has no types
        def __copy__(self) -> Any:
            copied.append("copied")
            return self

    plain = Plain()
    ctx = Counted(spyne.ServerBase(plain.app), spyne.MethodContext.SERVER)
    ctx.in_string = [plain.envelope("<echo/>")]
    spyne.ServerBase(plain.app).generate_contexts(ctx)
    assert copied

    application, _ = applications(OPERATIONS, None)[SOAP11]
    ctx = Counted(spyne.ServerBase(application), spyne.MethodContext.SERVER)
    ctx.method_request_string = f"{{{NS}}}getJob"
    copied.clear()
    assert application.in_protocol.generate_method_contexts(ctx) == (ctx,)
    assert copied == []


async def test_operations_are_awaited(stand: Stand) -> None:
    async def later(_ctx: Any) -> Any:
        return Thing(text="a")

    (promise,) = Plain(method=spyne.rpc(_returns=Thing)(later)).answered().out_object
    assert (await promise).text == "a", "the reply is what should have been awaited"

    assert "<jobStatus>" in (await stand.body(GET_JOB)).text


# Nothing leaks


async def test_nothing_that_a_caller_sees_names_spyne(stand: Stand) -> None:
    seen = [await stand.http.get(f"/soap/v2/{query}") for query in ("", "?wsdl", "?wsdl=1.2")]
    seen += [
        await stand.http.put("/soap/v2/"),
        await stand.post(b"x", headers={"content-type": "text/plain"}),
    ]
    for version in VERSIONS:
        seen += [await stand.body(body, version) for body in (GET_JOB, "<j:getJob/>", "<j:what/>", "")]
        stand.seam.error = RuntimeError("odd")
        seen.append(await stand.body(GET_JOB, version))
        stand.seam.error = None
    for reply in seen:
        assert b"spyne" not in reply.content.lower()
        assert "spyne" not in str(reply.headers).lower()
    for content in published().values():
        assert b"spyne" not in content.lower()
