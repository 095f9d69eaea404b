"""A message as it is sent to the SOAP door; one that the door answered wrongly is kept as a file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

FOUND = Path(__file__).parent / "found"
"""Messages that were once answered wrongly; each run begins with them."""


@dataclass(frozen=True)
class Message:
    """A message and its HTTP headers, of which Content-Type is one."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        """What the door takes for the media type."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def keep(self) -> Path:
        """Write it to a file that `found` reads: headers, an empty line, the body."""
        head = "".join(f"{name}: {value}\n" for name, value in self.headers.items())
        content = head.encode("latin-1") + b"\n" + self.body
        FOUND.mkdir(exist_ok=True)
        path = FOUND / f"{sha256(content).hexdigest()[:16]}.message"
        path.write_bytes(content)
        return path


def found() -> Iterator[tuple[str, Message]]:
    """The messages that were kept, by name."""
    for path in sorted(FOUND.glob("*.message")):
        head, _, body = path.read_bytes().partition(b"\n\n")
        lines = head.decode("latin-1").splitlines()
        yield path.stem, Message(body, dict(line.split(": ", 1) for line in lines))
