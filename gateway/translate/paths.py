"""Finds what lies at a path. Paths are templates such as `/v2/jobs/{jobId}`."""

from collections.abc import Mapping
from functools import cached_property
from typing import Generic, TypeVar

from gateway.translate.query_string import decode

T = TypeVar("T")


class _Template(Generic[T]):
    def __init__(self, path: str, value: T) -> None:
        self.value = value
        self.parts = path.split("/")

    @cached_property
    def names(self) -> dict[int, str]:
        """Names of the path parameters by the position of their segment."""
        return {i: part[1:-1] for i, part in enumerate(self.parts) if part.startswith("{")}

    @cached_property
    def last_name(self) -> str:
        """Name of the parameter that ends the path."""
        return self.names[len(self.parts) - 1]

    @cached_property
    def fixed(self) -> list[tuple[int, str]]:
        """The other segments with their positions, from the end, where paths differ most."""
        return [(i, part) for i, part in reversed(list(enumerate(self.parts))) if i not in self.names]

    def fits(self, texts: list[str | None]) -> bool:
        for i, part in self.fixed:
            if texts[i] != part:
                return False
        return all(texts[i] for i in self.names)


class PathTable(Generic[T]):
    """What lies at each path. Built once, from templates and what lies there."""

    def __init__(self, entries: Mapping[str, T]) -> None:
        templates = [_Template(path, value) for path, value in entries.items()]
        self._fixed = {"/".join(t.parts).encode(): t.value for t in templates if not t.names}
        # Most paths end with their one parameter: they are found by what stands before it.
        self._last = {
            "/".join(t.parts[:-1]).encode(): t for t in templates if [*t.names] == [len(t.parts) - 1]
        }
        self._open: dict[int, list[_Template[T]]] = {}
        # A path goes before one whose parameter could be read in its place.
        for template in sorted(templates, key=lambda t: [i in t.names for i in range(len(t.parts))]):
            self._open.setdefault(len(template.parts), []).append(template)

    def find(self, raw_path: bytes) -> tuple[T, dict[str, str]] | None:
        """What lies at a path as it came (percent-encoded, without query), and its parameters by name.

        It is split before it is decoded, so that an encoded slash belongs to the parameter. None = nothing.
        """
        fixed = self._fixed.get(raw_path)
        if fixed is not None:
            return fixed, {}
        texts: list[str | None]
        if b"%" in raw_path or not raw_path.isascii():
            texts = [decode(part.replace(b"+", b"%2B")) for part in raw_path.split(b"/")]
        else:
            start, _, end = raw_path.rpartition(b"/")
            last = self._last.get(start)
            if last is not None and end:
                return last.value, {last.last_name: end.decode()}
            texts = [*raw_path.decode().split("/")]
        for template in self._open.get(len(texts), ()):
            if template.fits(texts):
                return template.value, {name: texts[i] or "" for i, name in template.names.items()}
        return None
