"""What the bench takes for equal replies, and what not."""

import pytest

from bench.alike import check_alike, plain_json, plain_xml

_JSON = b"""{"jobs": [{"id": "a", "tags": ["x", "y"], "labels": [], "rate": 0.50, "big": true,
 "at": "2026-01-01T00:00:00.007Z"}], "limit": 100, "nextStartAfter": "sealed"}"""
_XML = b"""<s:Envelope xmlns:s="soap" xmlns:j="jobs"><s:Header><j:requestId>1</j:requestId></s:Header><s:Body>
<j:listJobsResponse><j:page><j:limit>100</j:limit><j:jobs><j:at>2026-01-01T00:00:00.007000+00:00</j:at><j:id>a</j:id>
<j:tags>x</j:tags><j:tags>y</j:tags><j:rate>0.5</j:rate><j:big>true</j:big></j:jobs></j:page></j:listJobsResponse>
</s:Body></s:Envelope>"""
_CURSOR = frozenset({"nextStartAfter"})


def test_json_and_xml_of_the_same_content_are_alike():
    check_alike("page", plain_json(_JSON, without=_CURSOR), plain_xml(_XML, without=_CURSOR))


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (b"<j:tags>x</j:tags><j:tags>y</j:tags>", b"<j:tags>y</j:tags><j:tags>x</j:tags>"),
        (b"<j:tags>y</j:tags>", b""),
        (b"00:00:00.007000", b"00:00:00.008000"),
        (b"<j:rate>0.5</j:rate>", b"<j:rate>0.51</j:rate>"),
        (b"<j:limit>100</j:limit>", b""),
        (b"<j:id>a</j:id>", b"<j:id>a</j:id><j:name>b</j:name>"),
    ],
)
def test_any_other_content_is_told(there, here):
    assert there in _XML
    with pytest.raises(RuntimeError, match="page: the replies differ"):
        check_alike(
            "page",
            plain_json(_JSON, without=_CURSOR),
            plain_xml(_XML.replace(there, here), without=_CURSOR),
        )
