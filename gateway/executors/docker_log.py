"""Copies the log of a container into the files of its attempt, so that nothing is in there twice or missing.

The log is read while the container runs, and once more from where that ended when the container has. A
reading may be cut at any moment, and the gateway may be killed between any two steps; the next reading goes
on: the note `position` says which entry of each stream was the last, and the lengths of the files what was
written behind that.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from gateway.domain.executor import AttemptKey
from gateway.domain.words import OutputChannel
from gateway.executors.kept_output import KeptFolder

HEADER_BYTES = 8
"""Before each entry: the stream, three zeros, and the length of the entry."""
CHANNELS = {1: OutputChannel.STDOUT, 2: OutputChannel.STDERR}
SLACK = timedelta(seconds=10)
"""How far entries of the two streams may lie in another order than their times."""
MISSING = b"\n[the engine dropped some output here before the gateway could read it]\n"
"""Written where entries are gone. How much that was nobody knows."""


@dataclass
class Position:
    """How far a stream was copied."""

    stamp: str = ""
    """Time of the last entry, as the engine writes it, but in UTC."""
    same: int = 0
    """How many entries of that very time were copied."""
    size: int = 0
    """Length of the stream behind that entry."""


class LogCopy:
    """The copy of one container's log."""

    def __init__(self, kept: KeptFolder, key: AttemptKey) -> None:
        self._kept = kept
        self._key = key
        self._load()
        self.begin()

    def begin(self) -> str | None:
        """A new reading begins; from which time on the log is needed, None = from its start."""
        self._rest = b""
        self._before = {channel: replace(position) for channel, position in self._positions.items()}
        """Up to where entries come again."""
        self._again = dict.fromkeys(OutputChannel, 0)
        """How many entries with the time of the last copied one have come again."""
        self._new = dict.fromkeys(OutputChannel, False)
        """Whether an entry has come that was not copied before."""
        self._written = {
            channel: max(0, self._kept.stream(self._key, channel).size - position.size)
            for channel, position in self._positions.items()
        }
        """Bytes that were appended behind the position; they come again, too."""
        self._newest = max(OutputChannel, key=lambda channel: self._positions[channel].stamp)
        newest = self._positions[self._newest].stamp
        if not newest:
            return None
        # Written with more digits than Python reads.
        since = datetime.fromisoformat(newest[:19]).replace(tzinfo=UTC) - SLACK
        return str(int(since.timestamp()))

    def take(self, chunk: bytes) -> None:
        """Copy what a piece of the reading holds. Raises OSError if it cannot be written; begin anew then."""
        pieces: dict[OutputChannel, list[bytes]] = {channel: [] for channel in OutputChannel}
        buffer, start = self._rest + chunk, 0
        while len(buffer) - start >= HEADER_BYTES:
            end = start + HEADER_BYTES + int.from_bytes(buffer[start + 4 : start + HEADER_BYTES])
            if len(buffer) < end:
                break
            if (channel := CHANNELS.get(buffer[start])) is not None:
                stamp, _, data = buffer[start + HEADER_BYTES : end].partition(b" ")
                self._entry(channel, in_utc(stamp.decode("ascii", "replace")), data, pieces[channel])
            start = end
        self._rest = buffer[start:]
        try:
            self._write(pieces)
        except OSError:
            self._load()
            raise

    def _load(self) -> None:
        self._positions = {channel: Position() for channel in OutputChannel}
        note = self._kept.note(self._key, "position")
        # After a loss of power it may be empty: all comes again then, and is known by its length.
        with suppress(ValueError):
            for name, members in json.loads(note or "{}").items():
                self._positions[OutputChannel[name]] = Position(**members)

    def _entry(self, channel: OutputChannel, stamp: str, data: bytes, pieces: list[bytes]) -> None:
        position = self._positions[channel]
        if not self._new[channel]:
            before = self._before[channel]
            if stamp < before.stamp:
                return
            if stamp == before.stamp and self._again[channel] < before.same:
                self._again[channel] += 1
                return
            self._new[channel] = True
            # All that was copied comes before all that was not, the newest of it too, if it is still there.
            if self._before[self._newest].stamp and not self._again[self._newest]:
                data = MISSING + data
        pieces.append(data)
        position.same = position.same + 1 if stamp == position.stamp else 1
        position.stamp = stamp
        position.size += len(data)

    def _write(self, pieces: dict[OutputChannel, list[bytes]]) -> None:
        if not any(pieces.values()):
            return
        for channel, parts in pieces.items():
            data = b"".join(parts)
            again = min(len(data), self._written[channel])
            self._written[channel] -= again
            if len(data) > again:
                self._kept.stream(self._key, channel).append(data[again:])
        note = {channel.name: asdict(position) for channel, position in self._positions.items()}
        self._kept.write_note(self._key, "position", json.dumps(note))


def in_utc(stamp: str) -> str:
    """The time of an entry, nine digits of a second included, in UTC: podman writes its host's local time."""
    if stamp.endswith("Z"):
        return stamp
    whole, fraction, zone = stamp[:19], stamp[19:-6], stamp[-6:]
    return f"{datetime.fromisoformat(whole + zone).astimezone(UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
