"""Reads an HTML page as strictly as a browser does not: what stands where, and whether it is in order."""

from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})


class PageReader(HTMLParser):
    """A page: its elements, links, headings and pieces of code. Fails when a tag is not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        """Each element with its attributes."""
        self.headings: list[tuple[int, str]] = []
        """Level and text."""
        self.code: dict[str, list[str]] = {}
        """The pieces of code by the id of the heading or article that they stand under."""
        self.text: dict[str, str] = {}
        """All text by the same ids."""
        self._open: list[str] = []
        self._under = ""
        self._piece: list[str] | None = None
        self._heading: list[str] | None = None
        self.feed(page)
        self.close()
        assert self._open == []

    @property
    def ids(self) -> list[str]:
        """All ids."""
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    @property
    def links(self) -> list[str]:
        """All addresses that links lead to."""
        return [attributes["href"] for name, attributes in self.elements if name == "a"]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute of {tag} is there twice"
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._open.append(tag)
        if tag in ("h2", "h3", "article") and "id" in attributes:
            self._under = attributes["id"]
        if tag == "pre":
            self._piece = []
        if tag in ("h1", "h2", "h3", "h4"):
            self._heading = []

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes something else"
        if tag == "pre" and self._piece is not None:
            self.code.setdefault(self._under, []).append("".join(self._piece) + "\n")
            self._piece = None
        if self._heading is not None and tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((int(tag[1]), "".join(self._heading)))
            self._heading = None

    def handle_data(self, data: str) -> None:
        if self._piece is not None:
            self._piece.append(data)
        if self._heading is not None:
            self._heading.append(data)
        self.text[self._under] = self.text.get(self._under, "") + data
