"""What is no XOP package, or a wrong one: a clear answer, nothing kept, and the same server goes on."""

from collections.abc import Callable

import pytest

from gateway.domain.errors import ValidationFailed
from gateway.translate.soap_to_rest import to_rest
from gateway.translate.soap_versions import VERSIONS
from tests.house import TestHouse
from tests.wire.conftest import MAX_BODY_BYTES
from tests.wire.package_stand import CONTENT, INCLUDE, Poster
from tests.wire.packages import BOUNDARY, XOP, content_type, included, package
from tests.wire.soap_stand import Said, envelope
from tests.wire.test_attachments import files_of


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "text/xml"},
        {"type": None},
        {"start_info": None},
        {"start_info": "application/xml"},
        {"start_info": "xml"},
        {"boundary": 'a"; boundary="b'},
    ],
    ids=str,
)
async def test_multipart_that_is_no_package_is_415(
    post: Poster, house: TestHouse, parameters: dict[str, str | None]
) -> None:
    reply = await post.add(post.root(), included(CONTENT), **parameters)
    assert reply.status_code == 415
    assert reply.headers["content-type"].startswith("text/plain")
    assert files_of(house) == set()
    await post.works()


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/mixed", "multipart/", "multipart/related", "multipart/related;"],
)
async def test_other_multipart_is_415(post: Poster, kind: str) -> None:
    given = content_type(post.version.media_type).replace("multipart/related", kind)
    for headers in ({"content-type": kind}, {"content-type": given, "content-encoding": "gzip"}):
        reply = await post.send(package(post.root(), included(CONTENT)), headers=headers)
        assert (reply.status_code, reply.headers["content-type"][:10]) == (415, "text/plain")


@pytest.mark.parametrize("parts", [0, 1])
async def test_a_package_for_an_operation_without_bytes_is_415(post: Poster, parts: int) -> None:
    wanted = post.root(envelope("<j:getServiceInfo/>", post.version))
    reply = await post.add(wanted, *[included(CONTENT)] * parts)
    assert (reply.status_code, reply.headers["content-type"][:10]) == (415, "text/plain")
    assert "getServiceInfo" in reply.text
    await post.works()


async def test_a_root_part_over_the_limit_is_413(post: Poster) -> None:
    reply = await post.add(post.root(post.adding() + b" " * MAX_BODY_BYTES), included(CONTENT))
    assert (reply.status_code, reply.headers["content-type"][:10]) == (413, "text/plain")
    await post.works()


async def test_the_envelope_must_be_of_the_version_that_start_info_says(post: Poster) -> None:
    (other,) = set(VERSIONS) - {post.version}
    message = Poster(post.http, other, post.job).adding()
    assert Said(await post.add(post.root(message), included(CONTENT))).code == "VersionMismatch"
    await post.works()


MALFORMED: dict[str, tuple[Callable[[Poster], bytes], str]] = {
    "nothing": (lambda post: b"", "ends before"),
    "no parts": (lambda post: package(), "has no parts"),
    "no package": (lambda post: post.adding(), "ends before"),
    "another boundary": (
        lambda post: package(post.root(), included(CONTENT), boundary="b"),
        "ends before",
    ),
    "a long preamble": (
        lambda post: package(post.root(), included(CONTENT), before=b"x" * 2000 + b"\r\n"),
        "does not begin",
    ),
    "a long epilogue": (
        lambda post: package(post.root(), included(CONTENT), after=b"x" * 2000),
        "too much follows",
    ),
    "no closing boundary": (
        lambda post: package(post.root(), included(CONTENT), end=b"\r\n"),
        "ends before",
    ),
    "half a closing boundary": (
        lambda post: package(post.root(), included(CONTENT), end=b"-"),
        "ends before",
    ),
    "text behind the closing boundary": (
        lambda post: package(post.root(), included(CONTENT), end=b"--x"),
        "inside of a line",
    ),
    "cut in the content": (
        lambda post: package(post.root(), included(CONTENT))[: -len(BOUNDARY) - 20],
        "ends before",
    ),
    "cut in the root": (lambda post: package(post.root())[:200], "ends before"),
    "cut behind the root": (lambda post: package(post.root(), end=b"\r\n"), "ends before"),
    "a long header": (
        lambda post: package(post.root(), included(CONTENT).but(x="x" * 9000)),
        "longer than 8192 bytes",
    ),
    "many fields": (
        lambda post: package(post.root(), included(CONTENT).but(**{f"x{place}": "x" for place in range(40)})),
        "at most 32",
    ),
    "a root part of another type": (
        lambda post: package(post.root().but(content_type="text/xml"), included(CONTENT)),
        "must be application/xop+xml",
    ),
    "a root part without a type": (
        lambda post: package(post.root().but(content_type=None), included(CONTENT)),
        "must be application/xop+xml",
    ),
    "a root part of multipart": (
        lambda post: package(post.root().but(content_type="multipart/related"), included(CONTENT)),
        "must be application/xop+xml",
    ),
    "a root part that does not say of what": (
        lambda post: package(post.root().but(content_type="application/xop+xml"), included(CONTENT)),
        "as start-info is",
    ),
    "a root part in an unknown charset": (
        lambda post: package(
            post.root().but(
                content_type=f'application/xop+xml; charset=utf-7; type="{post.version.media_type}"'
            ),
            included(CONTENT),
        ),
        "the charset 'utf-7' is not supported",
    ),
    "a root part in base64": (
        lambda post: package(post.root().but(content_transfer_encoding="base64"), included(CONTENT)),
        "not 'base64'",
    ),
    "a root part that comes second": (
        lambda post: package(included(CONTENT), post.root()),
        "first part must be the root part",
    ),
    "a root part of another name": (
        lambda post: package(post.root().but(content_id="<another@test>"), included(CONTENT)),
        "first part must be the root part",
    ),
    "a root part without a name": (
        lambda post: package(post.root().but(content_id=None), included(CONTENT)),
        "first part must be the root part",
    ),
    "a root part that is no XML": (
        lambda post: package(post.root(b"<x"), included(CONTENT)),
        "no well-formed XML",
    ),
    "a document type": (
        lambda post: package(post.root(b"<!DOCTYPE x>" + post.adding()), included(CONTENT)),
        "document type",
    ),
    "a content in base64": (
        lambda post: package(post.root(), included(b"eA==").but(content_transfer_encoding="Base64")),
        "not 'Base64'",
    ),
    "a content that is quoted-printable": (
        lambda post: package(post.root(), included(b"x").but(content_transfer_encoding="quoted-printable")),
        "not 'quoted-printable'",
    ),
    "a content of multipart": (
        lambda post: package(post.root(), included(b"x").but(content_type="Multipart/Mixed; boundary=b")),
        "must not be multipart",
    ),
    "a part of another name": (
        lambda post: package(post.root(), included(b"x").but(content_id="<other@test>")),
        "refers to the part 'content%40test', but 'other@test' follows",
    ),
    "a part without a name": (
        lambda post: package(post.root(), included(b"x").but(content_id=None)),
        "but '' follows",
    ),
    "a missing part": (lambda post: package(post.root()), "has no part 'content%40test'"),
    "a part that nobody refers to": (
        lambda post: package(post.root(), included(CONTENT), included(CONTENT).but(content_id="<3@test>")),
        "that no xop:Include refers to",
    ),
    "a part twice": (
        lambda post: package(post.root(), included(CONTENT), included(CONTENT)),
        "that no xop:Include refers to",
    ),
    "a part beside base64": (
        lambda post: package(post.root(post.adding("eA==")), included(CONTENT)),
        "that no xop:Include refers to",
    ),
    "an Include in a header": (
        lambda post: package(
            post.root(post.adding("eA==", header=f'<h:a xmlns:h="urn:h">{INCLUDE}</h:a>')), included(CONTENT)
        ),
        "in the element of the operation alone",
    ),
    "an Include in a header, too": (
        lambda post: package(
            post.root(post.adding(header=f'<h:a xmlns:h="urn:h">{INCLUDE}</h:a>')), included(CONTENT)
        ),
        "in the element of the operation alone",
    ),
}


@pytest.mark.parametrize(("body", "reason"), MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_package_is_refused_and_nothing_is_kept(
    post: Poster, house: TestHouse, body: Callable[[Poster], bytes], reason: str
) -> None:
    said = Said(await post.send(body(post)))
    assert (said.version, said.status) == (post.version, post.version.client_status)
    assert (said.code, said.key) == (post.version.client_code, "MALFORMED_MESSAGE")
    assert reason in said.reason
    assert files_of(house) == set()
    await post.works()


@pytest.mark.parametrize("boundary", [None, "", "x" * 71, "a ", "ä", "a*b"])
async def test_a_boundary_that_is_none_is_the_callers_fault(post: Poster, boundary: str | None) -> None:
    given = content_type(post.version.media_type, boundary=boundary).encode()
    body = package(post.root(), included(CONTENT), boundary=boundary or "")
    reply = await post.http.post("/soap/v2/", content=body, headers={b"content-type": given})
    said = Said(reply)
    assert (said.code, said.key) == (post.version.client_code, "MALFORMED_MESSAGE")
    assert "boundary" in said.reason
    await post.works()


NO_INCLUDE = "must not contain an xop:Include, which stands for base64 alone, and in an XOP package alone"
NOT_ALONE = "must contain nothing beside one xop:Include"
NO_CID = "the href of an xop:Include must be 'cid:' and a Content-ID"
NO_HREF = "an xop:Include must have an href and nothing else"

WRONG: dict[str, tuple[Callable[[Poster], bytes], dict[str, str]]] = {
    "text before": (lambda post: post.adding("eA==" + INCLUDE), {"attachment/content": NOT_ALONE}),
    "text behind": (lambda post: post.adding(INCLUDE + "eA=="), {"attachment/content": NOT_ALONE}),
    "two": (lambda post: post.adding(INCLUDE * 2), {"attachment/content": NOT_ALONE}),
    "another element before": (
        lambda post: post.adding("<j:a/>" + INCLUDE),
        {"attachment/content": NOT_ALONE},
    ),
    "an http address": (
        lambda post: post.adding(INCLUDE.replace("cid:content%40test", "http://127.0.0.1:1/")),
        {"attachment/content": NO_CID},
    ),
    "a file": (
        lambda post: post.adding(INCLUDE.replace("cid:content%40test", "file:///etc/passwd")),
        {"attachment/content": NO_CID},
    ),
    "no scheme": (
        lambda post: post.adding(INCLUDE.replace("cid:", "")),
        {"attachment/content": NO_CID},
    ),
    "no name": (
        lambda post: post.adding(INCLUDE.replace("content%40test", "")),
        {"attachment/content": NO_CID},
    ),
    "no href": (
        lambda post: post.adding(f'<x:Include xmlns:x="{XOP}"/>'),
        {"attachment/content": NO_HREF},
    ),
    "another attribute": (
        lambda post: post.adding(INCLUDE.replace("/>", ' a="b"/>')),
        {"attachment/content": NO_HREF},
    ),
    "a child": (
        lambda post: post.adding(INCLUDE.replace("/>", "><j:a/></x:Include>")),
        {"attachment/content": NO_HREF},
    ),
    "text inside": (
        lambda post: post.adding(INCLUDE.replace("/>", ">eA==</x:Include>")),
        {"attachment/content": NO_HREF},
    ),
    "nil": (
        lambda post: post.adding().replace(b"<j:content>", b'<j:content xsi:nil="true">'),
        {"attachment/content": "cannot be nil; leave it out if it has no value"},
    ),
    "two members": (
        lambda post: post.adding(more=f"<j:content>{INCLUDE}</j:content>"),
        {"attachment/content": "is given twice"},
    ),
    "in a text": (
        lambda post: post.adding().replace(b"<j:name>a<", f"<j:name>{INCLUDE}<".encode()),
        {"attachment/name": NO_INCLUDE},
    ),
    "in an object": (lambda post: post.adding(more=INCLUDE), {"attachment": NO_INCLUDE}),
    "in an unknown member": (
        lambda post: post.adding(more=f"<j:colour>{INCLUDE}</j:colour>"),
        {"attachment/colour": "is not known here"},
    ),
    "in another operation's text": (
        lambda post: envelope(
            f"<j:readJobAttachment><j:jobId>{INCLUDE}</j:jobId><j:attachmentId>a</j:attachmentId>"
            "</j:readJobAttachment>",
            post.version,
        ),
        {"jobId": NO_INCLUDE},
    ),
    "with another thing wrong": (
        lambda post: post.adding(INCLUDE * 2).replace(b"<j:name>a<", b"<j:name>a/b<"),
        {"attachment/content": NOT_ALONE, "attachment/name": "must be a file name without / and \\"},
    ),
}


@pytest.mark.parametrize(("message", "errors"), WRONG.values(), ids=WRONG)
async def test_a_wrong_include_is_named_and_nothing_is_kept(
    post: Poster, house: TestHouse, message: Callable[[Poster], bytes], errors: dict[str, str]
) -> None:
    said = Said(await post.add(post.root(message(post)), included(CONTENT)))
    assert (said.code, said.key) == (post.version.client_code, "VALIDATION_FAILED")
    assert said.errors == errors
    assert files_of(house) == set()
    await post.works()


async def test_an_include_without_a_package_is_refused(post: Poster) -> None:
    headers = {"content-type": post.version.content_type}
    reply = await post.http.post("/soap/v2/", content=post.adding(), headers=headers)
    assert Said(reply).errors == {"attachment/content": NO_INCLUDE}


async def test_translating_an_include_by_hand_is_refused(post: Poster) -> None:
    with pytest.raises(ValidationFailed) as refused:
        to_rest(post.adding())
    assert [(problem.path, problem.detail) for problem in refused.value.problems] == [
        (("attachment", "content"), NO_INCLUDE)
    ]
