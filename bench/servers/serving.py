"""Runs a rival: uvicorn with uvloop and httptools, set up as the gateway's own web server is."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn


def serve(build: Callable[[bytes], Any]) -> None:
    """Serve what `build` makes of the JSON of a page of jobs: `python -m bench.servers.NAME PORT PAGE`."""
    port, page = sys.argv[1:]
    app = build(Path(page).read_bytes())
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
