"""Runs the gateway: starts its parts in order, serves, and stops them in the reverse order.

The order: data folder, port, store, keys, engine; then connections are taken. Whatever is wrong with one of
them is told before the next is touched.
"""

import asyncio
import logging
import os
import pwd
import resource
import signal
from contextlib import closing, suppress

import uvloop

from gateway.app import Readiness, build_app, build_house
from gateway.data_folder import DataFolder
from gateway.domain.executor import ExecutorUnavailable
from gateway.engine.engine import Engine
from gateway.key_rules import prepare_keys
from gateway.listener import Listener
from gateway.refusal import Refusal
from gateway.settings import Settings
from gateway.stopping import cancel_running_jobs
from gateway.store_choice import build_store, open_store
from gateway.web import WebServer

log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises Refusal when the gateway cannot start."""
    _check_user(settings)
    open_files = _raise_file_limit()
    folder = DataFolder(settings.data)
    folder.make(passing_group=_job_group(settings))
    folder.lock()
    try:
        with (
            closing(Listener(settings.host, settings.port)) as listener,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_run(settings, folder, listener, open_files))
    finally:
        folder.release()


async def _run(settings: Settings, folder: DataFolder, listener: Listener, open_files: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = build_store(folder)
    await open_store(store)
    try:
        house = await build_house(store, settings, folder, listener, open_files=open_files)
        await prepare_keys(house, settings, listener)
        readiness = Readiness()
        app = build_app(house, settings, listener, readiness)
        web = WebServer(app, listener)

        def ready() -> None:
            folder.tell_address(listener.local_url)
            readiness.ready = True
            log.info("serving on %s", listener.url, extra={"data": str(folder.path), "pid": os.getpid()})

        def stopping() -> None:
            log.info("stopping")
            readiness.ready = False
            # Open waits answer now; they would hold the stop up.
            house.changes.close()

        engine = Engine(house)
        try:
            await _start(engine)
            await web.run_until(stop, ready=ready, stopping=stopping)
            if settings.stop_jobs_on_exit:
                await engine.hold()
                await cancel_running_jobs(house)
        finally:
            await engine.stop()
    finally:
        await store.close()
    log.info("stopped")


async def _start(engine: Engine) -> None:
    try:
        await engine.start()
    except (PermissionError, ExecutorUnavailable) as error:
        # Jobs run as another user, who cannot reach its scratch folders; or their engine is not there.
        raise Refusal(str(error)) from None


def _check_user(settings: Settings) -> None:
    if settings.executor == "process" and os.geteuid() == 0 and settings.job_user is None:
        raise Refusal(
            "setting JOB_USER: the gateway runs as root, so it must be said as which user jobs run; "
            "name one, or say root outright"
        )


def _job_group(settings: Settings) -> int | None:
    """The group that must pass through the data folder: that of jobs which run as another user."""
    if settings.executor != "process" or settings.job_user is None:
        return None
    try:
        user = pwd.getpwnam(settings.job_user)
    except KeyError:
        raise Refusal(f"setting JOB_USER: there is no user {settings.job_user!r}") from None
    return None if user.pw_uid == os.geteuid() else user.pw_gid


def _raise_file_limit() -> int:
    """Allow as many open connections as the system does; the limit from before, which jobs get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft
