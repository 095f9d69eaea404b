"""What the doors read from headers: credentials, request ids, preconditions, idempotency keys, encodings."""

import base64
import gzip

import pytest
from starlette.datastructures import Headers

from gateway.domain.call import IfMatch
from gateway.domain.errors import ValidationFailed
from gateway.http.compress import accepts_gzip, compressed
from gateway.http.credentials import credentials_of
from gateway.http.headers import RequestHeaders
from gateway.http.preconditions import entity_tag, idempotency_key_of, if_match_of, none_match
from gateway.http.request_id import request_id_of


def headers(*pairs: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in pairs])


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("given", "secret"),
    [
        ([], None),
        ([("X-API-KEY", "jg_a_b")], "jg_a_b"),
        ([("Authorization", "Bearer jg_a_b")], "jg_a_b"),
        ([("Authorization", "bearer   jg_a_b ")], "jg_a_b"),
        ([("Authorization", basic("anyone:jg_a_b"))], "jg_a_b"),
        ([("Authorization", basic(":with:colons"))], "with:colons"),
        ([("X-API-KEY", "mine"), ("Authorization", basic("proxy:theirs"))], "mine"),
        ([("Authorization", "Negotiate abc")], None),
        ([("Authorization", "Basic !!!")], ""),
        ([("Authorization", basic("no colon"))], ""),
        ([("Authorization", "Basic /w==")], ""),
        ([("Authorization", "Bearer")], ""),
        ([("X-API-KEY", "")], ""),
    ],
)
def test_a_secret_is_found_wherever_clients_put_it(given: list[tuple[str, str]], secret: str | None) -> None:
    assert credentials_of(headers(*given)).secret == secret


def test_the_headers_of_a_request_are_found_as_starlette_finds_them() -> None:
    scope = {"headers": [(b"accept", b"a"), (b"host", b"h\xe9"), (b"accept", b"b")]}
    quick, plain = RequestHeaders(scope), Headers(scope=scope)
    for name in ("accept", "Accept", "host", "absent"):
        assert (name in quick) is (name in plain)
        assert quick.get(name) == plain.get(name)
        assert quick.get(name, "x") == plain.get(name, "x")
        assert quick.getlist(name) == plain.getlist(name)
    assert quick.items() == plain.items()


def test_each_new_request_id_is_another_one() -> None:
    made = {request_id_of(Headers()) for _ in range(1000)}
    assert len(made) == 1000


@pytest.mark.parametrize("given", ["a", "A.b-c_9", "x" * 64])
def test_a_usable_request_id_is_taken_over(given: str) -> None:
    assert request_id_of(headers(("X-Request-Id", given))) == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\n", "é", "a/b"])
def test_another_request_id_is_replaced(given: str) -> None:
    made = request_id_of(headers(("X-Request-Id", given)))
    assert made != given
    assert len(made) == 32


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (['"5"'], {5}),
        (['"5", "6"'], {5, 6}),
        (['"5"', '"6-gzip"'], {5, 6}),
        (['"5" ,,"7",'], {5, 7}),
        (['W/"5"'], set()),
        (['"abc", "5"'], {5}),
        (['"a,b", "5"'], {5}),
        (['"0", "05", "-5", "99999999999999999999"'], set()),
    ],
)
def test_if_match_lists_versions_and_compares_strongly(given: list[str], expected: set[int]) -> None:
    found = if_match_of(headers(*(("If-Match", value) for value in given)))
    assert found == IfMatch(frozenset(expected))


def test_if_match_star_admits_any_version_and_none_asks_nothing() -> None:
    assert if_match_of(headers(("If-Match", " * "))) == IfMatch(None)
    assert if_match_of(headers()) is None


@pytest.mark.parametrize("given", ["5", '"5', '"5" "6"', "", '*, "5"', '"' + ', "' * 5000])
def test_a_malformed_if_match_is_refused(given: str) -> None:
    with pytest.raises(ValidationFailed):
        if_match_of(headers(("If-Match", given)))


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        (None, True),
        ('"5"', False),
        ('W/"5"', False),
        ('"5-gzip"', False),
        ('"4", "5"', False),
        ("*", False),
        ('"4"', True),
        ('"50"', True),
        ("5", True),
    ],
)
def test_if_none_match_compares_weakly(given: str | None, passes: bool) -> None:
    assert none_match(headers(*([("If-None-Match", given)] if given else [])), 5) is passes


def test_a_compressed_reply_has_an_entity_tag_of_its_own() -> None:
    assert (entity_tag(5), entity_tag(5, compressed=True)) == ('"5"', '"5-gzip"')


def test_an_idempotency_key_is_printable_ascii_given_once() -> None:
    assert idempotency_key_of(headers()) is None
    assert idempotency_key_of(headers(("Idempotency-Key", 'a "b" ~'))) == 'a "b" ~'
    for bad in ("", "x" * 256, "é", "a\tb"):
        with pytest.raises(ValidationFailed):
            idempotency_key_of(headers(("Idempotency-Key", bad)))
    with pytest.raises(ValidationFailed):
        idempotency_key_of(headers(("Idempotency-Key", "a"), ("Idempotency-Key", "a")))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, False),
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("deflate, *", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip; q=0.000", False),
        ("gzip;q=nonsense", False),
        ("gzip;q=0.5, identity", False),
        ("identity", False),
        ("br", False),
    ],
)
def test_gzip_is_used_when_it_is_asked_for(given: str | None, wanted: bool) -> None:
    assert accepts_gzip(headers(*([("Accept-Encoding", given)] if given else []))) is wanted


@pytest.mark.parametrize("length", [2_000, 200_000])
async def test_compressed_bodies_are_gzip_and_the_same_each_time(length: int) -> None:
    body = b"0123456789" * (length // 10)
    assert gzip.decompress(await compressed(body)) == body
    assert await compressed(body) == await compressed(body)
