"""The warden of containers, see `warden`: `python -m gateway.executors.docker_warden FOLDER SOCKET LABEL`.

It does without the client library, whose memory it would need for nothing.
"""

import http.client
import json
import socket
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from gateway.executors.docker_status import RUNNING
from gateway.executors.warden import watch

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


def kill_all(socket_path: str, label: str) -> bool:
    """Send SIGKILL to all containers with a label that run; whether there may be more."""
    query = urlencode({"all": "1", "filters": json.dumps({"label": [label]})})
    try:
        with closing(_Connection(socket_path)) as connection:
            connection.request("GET", f"/containers/json?{query}")
            # Engines take only their own words as a filter.
            found = [
                container
                for container in json.load(connection.getresponse())
                if container["State"] in RUNNING
            ]
            for container in found:
                connection.request("POST", f"/containers/{container['Id']}/kill")
                connection.getresponse().read()
            return bool(found)
    except (OSError, http.client.HTTPException, ValueError):
        # What runs cannot be known: it is looked again.
        return True


if __name__ == "__main__":
    watch(Path(sys.argv[1]), partial(kill_all, sys.argv[2], sys.argv[3]))
