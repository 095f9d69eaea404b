"""Media types and their parameters, as clients write them."""

import pytest

from gateway.http.media_type import name_of, read_media_ranges, read_media_type


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("text/xml", "text/xml", {}),
        (" Text/XML ; Charset=UTF-8 ", "text/xml", {"charset": "UTF-8"}),
        ('a/b;c="d;e,f";g=h', "a/b", {"c": "d;e,f", "g": "h"}),
        (r'a/b;c="say \"d\" \\ e"', "a/b", {"c": r'say "d" \ e'}),
        ('a/b;c=""', "a/b", {"c": ""}),
        ("a/b;;c=d; ;", "a/b", {"c": "d"}),
        ("a/b; start=<x@y>; boundary=----=_Part:0", "a/b", {"start": "<x@y>", "boundary": "----=_Part:0"}),
        ("*/*;q=0.5", "*/*", {"q": "0.5"}),
    ],
)
def test_a_media_type_is_read(text: str, name: str, parameters: dict[str, str]) -> None:
    assert read_media_type(text) == (name, parameters)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "text/",
        "text/xml, text/html",
        "text/xml text/html",
        "a/b;c=d;C=e",
        'a/b;c="d',
        'a/b;c="d"e',
        "a/b;c",
        "a/b;c=",
        "a/b;=d",
        "a b/c",
        'a/b;c="d "e" f"',
    ],
)
def test_what_is_no_media_type_is_none(text: str) -> None:
    assert read_media_type(text) is None


@pytest.mark.parametrize(
    ("accept", "weights"),
    [
        ("", {}),
        ("a/b", {"a/b": 1.0}),
        ('a/b;c="x,y;q=0";q=0.25, d/e;q=0,*/*;q=1.000', {"a/b": 0.25, "d/e": 0.0, "*/*": 1.0}),
        ("a/b;q=2, c/d;q=x, e/f;q=0.1234", {"a/b": 0.0, "c/d": 0.0, "e/f": 0.0}),
        ("nonsense, a/b;c, ,, d/e", {"d/e": 1.0}),
        ('a/b;c="d, e/f', {"e/f": 1.0}),
    ],
)
def test_ranges_are_read_with_their_weights(accept: str, weights: dict[str, float]) -> None:
    assert {asked.name: asked.weight for asked in read_media_ranges(accept)} == weights


@pytest.mark.parametrize("text", ["text/xml", 'Text/XML; charset="', " text/xml\t;x"])
def test_the_bare_name_is_there_whatever_follows_it(text: str) -> None:
    assert name_of(text) == "text/xml"
