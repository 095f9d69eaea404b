"""The warden of containers, see `warden`: `python -m gateway.executors.docker_warden FOLDER SOCKET LABEL`.

It does without the client library, whose memory it would need for nothing.
"""

import http.client
import json
import socket
import sys
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from gateway.executors.docker_status import RUNNING
from gateway.executors.warden import Kill, look_again, watch

ANSWER_SECONDS = 10.0


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(self._path)


def find_all(socket_path: str, label: str) -> Kill | None:
    """The containers with a label that run; None when there are none."""
    query = urlencode({"all": "1", "filters": json.dumps({"label": [label]})})
    try:
        with closing(_Connection(socket_path)) as connection:
            connection.request("GET", f"/containers/json?{query}")
            # Engines take only their own words as a filter.
            found = [
                str(container["Id"])
                for container in json.load(connection.getresponse())
                if container["State"] in RUNNING
            ]
    except (OSError, http.client.HTTPException, ValueError):
        # What runs cannot be known.
        return look_again
    return partial(_kill, socket_path, found) if found else None


def _kill(socket_path: str, containers: list[str]) -> None:
    # Who could not be asked is asked again: they are found again.
    with suppress(OSError, http.client.HTTPException), closing(_Connection(socket_path)) as connection:
        for container in containers:
            connection.request("POST", f"/containers/{container}/kill")
            connection.getresponse().read()


if __name__ == "__main__":
    watch(Path(sys.argv[1]), partial(find_all, sys.argv[2], sys.argv[3]))
