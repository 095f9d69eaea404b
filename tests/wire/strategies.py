"""Arbitrary requests, made from the shapes of the models: valid ones, and valid ones with something wrong.

A request is a dictionary of JSON values as the clients take them. What shapes cannot say (one member that
rules out another) is left to the model: members that it refuses are taken out again.
"""

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.contract.operation import Operation
from gateway.contract.shapes import Kind, Member, shape_of
from gateway.domain.content import InMemory
from gateway.domain.model import Model

Path = tuple[str | int, ...]

_PLAIN = st.sampled_from("abcXYZ019 .-_")
_SPECIAL = st.sampled_from("<>&'\"]=%+,;:/\\?#*\u00a0äß€\u0301\u200d\ufeff\ufffd𝄞\U0010fffd")
_BREAKS = st.sampled_from("\t\n\r\x7f\x85\u2028\u202e")
_ANY = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
_LINE_CHAR = st.one_of(_PLAIN, _SPECIAL, _ANY)
_TEXT_CHAR = st.one_of(_PLAIN, _SPECIAL, _BREAKS, _ANY)
_IDENT_CHAR = st.sampled_from("abcXYZ019._:-")

_LATER = datetime(2027, 1, 1)  # noqa: DTZ001 - an offset is written behind it, or none
_FIRST = datetime(1, 1, 1)  # noqa: DTZ001
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001


def _words(*words: str) -> st.SearchStrategy[str]:
    return st.sampled_from(words)


@st.composite
def _instants(draw: st.DrawFn, first: datetime = _FIRST, last: datetime = _LAST) -> str:
    """Text of an instant as both wires take it: with seconds, a fraction or none, an offset or none."""
    instant = draw(st.datetimes(first, last))
    text = f"{instant.year:04d}-{instant:%m-%dT%H:%M:%S}" + draw(_words("", ".0", ".123", ".1239999", ".5"))
    return text + draw(_words("", "Z", "+00:00", "-23:59", "+14:00", "+05:30"))


STORAGE = "the-storage"
"""Stands for the storage that is made for a call."""
FULL = "full-storage"
"""A storage with results and log entries."""
PARTNERS = ["partner 1", "partner <2>", "ä"]
"""Business partners that have them."""

HINTS: dict[str, st.SearchStrategy[Any]] = {
    "organizationId": st.just("default"),
    "JobStart.type": _words("GENERIC_JOB", "TYPICAL_JOB"),
    "JobStart.expiresAt": _instants(_LATER + timedelta(days=2)),
    "EnvironmentVariable.name": st.from_regex(r"[A-Z][A-Z_0-9]{0,9}", fullmatch=True),
    "Volume.mountPath": st.text(_LINE_CHAR, max_size=20).map(lambda text: f"/mnt/{text}"),
    "Volume.source": st.just("v"),
    "JobQuery.sort": _words("createdAt", "+createdAt", "-createdAt"),
    "JobQuery.jobType": st.text(_LINE_CHAR, min_size=1, max_size=9).map(lambda text: text.replace(",", ".")),
    "label": st.tuples(st.text(_LINE_CHAR, max_size=9), st.text(_LINE_CHAR, max_size=9)).map("=".join),
    "text": st.text(_TEXT_CHAR, max_size=20).map(lambda text: f"{text} word"),
    "contentType": _words("text/csv", 'application/x; a="b, c"', "a/b"),
    "backoffFactor": st.decimals(1, 10, places=9),
    "cronExpression": _words("* * * * *", "0 30 2 * * MON-FRI", "*/5 1,2 1-7 JAN *", "@daily"),
    "timeZone": _words("UTC", "Europe/Berlin", "America/New_York"),
    "startAt": _instants(_LATER, _LATER + timedelta(days=9000)),
    "endAt": _instants(_LATER + timedelta(days=9002)),
    "storageId": st.just(STORAGE),
    "LastResultSelection.storageId": st.just(FULL),
    "JobResultQuery.storageId": st.just(FULL),
    "LastResultSelection.businessPartnerIds": _words(*PARTNERS),
}
"""Values for members that want more than their kind and bounds say: by type and wire name, or wire name."""

LEFT_OUT = frozenset(
    {
        # These name something that must be there already.
        "JobStart.jobDependencies",
        "startAfter",
        "OutputQuery.attempt",
        "ProcessingLogEntryWrite.jobId",
    }
)

ALWAYS = frozenset(
    {
        # One of several members is needed.
        "LastResultSelection.businessPartnerIds",
        "LastResultSelection.dataSourceId",
        "LastResultSelection.externalIds",
        "JobResultWrite.businessPartnerId",
        "ProcessingLogEntryWrite.businessPartnerId",
        "ProcessingLogDeleteQuery.createdBefore",
        "deleteProcessingLogData.query",
        # In a patch a secret may be without, if it is stored.
        "EnvironmentVariable.value",
    }
)


@st.composite
def requests(draw: st.DrawFn, operation: Operation, made: frozenset[str]) -> dict[str, Any]:
    """The parts of valid requests, without those path parameters that are `made` elsewhere."""
    parts: dict[str, Any] = {}
    for member in shape_of(operation.request).members:
        asks = f"{operation.name}.{member.wire}" in ALWAYS
        if member.wire not in made and (member.required or asks or draw(st.booleans())):
            parts[member.wire] = draw(_values(operation.request, member))
    return _repaired(operation, parts, made)


def _repaired(operation: Operation, parts: dict[str, Any], made: frozenset[str]) -> dict[str, Any]:
    """The parts without what the model refuses."""
    elsewhere = {part.name: "x" for part in operation.path if part.name in made}
    for _ in range(20):
        problems = problems_of(operation, parts | elsewhere)
        if not problems:
            return parts
        # From the end, because indices before it stay right.
        for path in reversed(problems):
            _take_out(parts, path)
    return reject()


def problems_of(operation: Operation, parts: dict[str, Any]) -> list[Path]:
    """Paths of what the model of the request finds wrong."""
    try:
        operation.request.read(_readable(parts))
    except ValidationError as error:
        return [detail["loc"] for detail in error.errors()]
    return []


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _readable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    return InMemory(value) if isinstance(value, bytes) else value


def _take_out(parts: dict[str, Any], path: Path) -> None:
    """Remove the member or item at a path; with a required one its owner goes, when it is missing already."""
    owner: Any = parts
    for step in path[:-1]:
        try:
            owner = owner[step]
        except (KeyError, IndexError):
            # Another problem has taken it along.
            return
    last = path[-1]
    if last in (owner if isinstance(owner, dict) else range(len(owner))):
        del owner[last]
    elif len(path) > 1:
        _take_out(parts, path[:-1])
    else:
        reject()


@st.composite
def _objects(draw: st.DrawFn, model: type[Model]) -> dict[str, Any]:
    values = {}
    for member in shape_of(model).members:
        asks = member.required or f"{model.__name__}.{member.wire}" in ALWAYS
        if not _is_left_out(model, member) and (asks or draw(st.booleans())):
            values[member.wire] = draw(_values(model, member))
    return values


def _is_left_out(model: type[Model], member: Member) -> bool:
    return member.wire in LEFT_OUT or f"{model.__name__}.{member.wire}" in LEFT_OUT


def _values(model: type[Model], member: Member) -> st.SearchStrategy[Any]:
    hint = HINTS.get(f"{model.__name__}.{member.wire}", HINTS.get(member.wire))
    one = hint if hint is not None and member.kind is not Kind.MODEL else _one(model, member)
    if not member.many:
        return st.one_of(st.none(), one) if member.clearable else one
    bounds = dict(member.list_bounds)
    least, most = bounds.get("min_length", 0), min(bounds.get("max_length", 4), 4)
    least = 1 if f"{model.__name__}.{member.wire}" in ALWAYS else least
    return st.one_of(st.lists(one, min_size=1, max_size=1), st.lists(one, min_size=least, max_size=most))


def _one(model: type[Model], member: Member) -> st.SearchStrategy[Any]:
    bounds = dict(member.bounds)
    match member.kind:
        case Kind.MODEL:
            return _objects(member.type)
        case Kind.WORD:
            return st.sampled_from([str(word) for word in member.type])
        case Kind.BOOLEAN:
            return st.booleans()
        case Kind.INT32 | Kind.INT64:
            least, most = bounds["ge"], bounds["le"]
            return st.one_of(st.sampled_from([least, most]), st.integers(least, most))
        case Kind.DECIMAL:
            return _decimals()
        case Kind.INSTANT:
            return _instants()
        case Kind.BYTES:
            return st.binary(max_size=300)
    return _texts(model, member)


def _decimals() -> st.SearchStrategy[Decimal]:
    """Narrow ones mostly, since many members take no others; and the extremes."""
    most = Decimal("999999999999999.999999999")
    return st.one_of(
        st.decimals(Decimal("0.001"), 10, places=3),
        st.decimals(-most, most, places=9),
        st.sampled_from([most, -most, Decimal("0.000000001"), Decimal(0), Decimal("0.20000000298023224")]),
    )


def _texts(model: type[Model], member: Member) -> st.SearchStrategy[str]:
    bounds = dict(member.bounds)
    least, most = bounds.get("min_length", 0), bounds.get("max_length", 64)
    if "pattern" in bounds:
        return st.text(_IDENT_CHAR, min_size=1, max_size=12)
    chars = _TEXT_CHAR if takes(model, member, "a\nb") else _LINE_CHAR
    short = st.text(chars, min_size=least, max_size=min(most, 12))
    blanks = short.map(lambda text: f" {text}  "[:most])
    return st.one_of(short, blanks, st.just("ä" * min(most, 300)))


def takes(model: type[Model], member: Member, value: Any) -> bool:
    """Whether the type of a member takes a value, by itself."""
    adapter: TypeAdapter[Any] = TypeAdapter(model.model_fields[member.name].rebuild_annotation())
    try:
        adapter.validate_python([value] if member.many else value)
    except ValidationError:
        return False
    return True


@st.composite
def wrong_requests(draw: st.DrawFn, operation: Operation, made: frozenset[str]) -> dict[str, Any]:
    """The parts of a request that was valid until one to three things in it were changed.

    Only what both wires can say: XML knows no types of values, no lists without items and no list in a list.
    """
    parts = copy.deepcopy(draw(requests(operation, made)))
    for part in (operation.query and "query", operation.body and operation.body.name):
        if part and part not in parts:
            parts[part] = {}
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(operation, parts))
        if not places:
            reject()
        owner, model, member, path = draw(st.sampled_from(places))
        draw(_changes(operation, path, owner, model, member))
    return parts


Place = tuple[dict[str, Any], type[Model], Member | None, Path]


def _places(operation: Operation, parts: dict[str, Any]) -> Iterator[Place]:
    """Each object in a request with each member that it has or may have, and with None for no such member."""
    for member in shape_of(operation.request).members:
        if member.kind is Kind.MODEL and isinstance(parts.get(member.wire), dict):
            yield from _places_in(parts[member.wire], member.type, (member.wire,))


def _places_in(owner: dict[str, Any], model: type[Model], path: Path) -> Iterator[Place]:
    yield owner, model, None, path
    for member in shape_of(model).members:
        yield owner, model, member, path
        if member.kind is Kind.MODEL:
            value = owner.get(member.wire)
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict):
                    yield from _places_in(item, member.type, (*path, member.wire))


@st.composite
def _changes(
    draw: st.DrawFn,
    operation: Operation,
    path: Path,
    owner: dict[str, Any],
    model: type[Model],
    member: Member | None,
) -> None:
    in_query = path[0] == "query" or operation.http.raw_body is not None
    if member is None:
        owner[draw(_words("unheardOf", "Name", "xsi", "a-b.c"))] = "x"
        return
    if member.kind is Kind.BYTES:
        return
    bounds, list_bounds = dict(member.bounds), dict(member.list_bounds)
    wrong: list[Any] = []
    if member.kind not in (Kind.TEXT, Kind.MODEL):
        wrong += ["", "x", "1x", "1.5.5", "trueish", "ä", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z"]
    if member.kind in (Kind.INT32, Kind.INT64):
        wrong += [bounds["ge"] - 1, bounds["le"] + 1, 10**18, "0x10", "1e3", 2**63, -(2**63) - 1]
    if member.kind is Kind.DECIMAL:
        wrong += [Decimal(10**15), Decimal("-0.5"), "NaN", "INF", "1,5"]
    if member.kind is Kind.TEXT:
        most = bounds.get("max_length", 64)
        wrong += ["x" * (most + 1)] if most < 5000 else []
        wrong += ["", "a\nb", "a\u2028b", "a\x85b", "***", "a b"]
    if not in_query:
        wrong += [{"unheardOf": "x"}] if member.kind is not Kind.MODEL else []
        wrong += [None, "text"] if member.kind is Kind.MODEL else [None]
    value = draw(st.sampled_from(wrong))
    if member.many:
        items = owner.get(member.wire)
        items = list(items) if isinstance(items, list) else []
        most = list_bounds.get("max_length")
        how = draw(_words("more", "twice", "missing", "too many" if most and most <= 100 else "more"))
        if how == "missing":
            owner.pop(member.wire, None)
            return
        if how == "twice" and items:
            items.append(items[0])
        elif how == "too many" and items:
            items = (items * (most + 1))[: most + 1]
        else:
            items.insert(draw(st.integers(0, len(items))), value)
        owner[member.wire] = items
    elif draw(st.integers(0, 9)) == 0:
        owner.pop(member.wire, None)
    elif (
        member.kind is not Kind.MODEL and owner.get(member.wire) is not None and draw(st.integers(0, 9)) == 0
    ):
        owner[member.wire] = [owner[member.wire]] * 2
    else:
        owner[member.wire] = value
