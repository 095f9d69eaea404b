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
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from typing import Any

import uvloop

from gateway.app import Readiness, build_app, build_house
from gateway.data_folder import DataFolder
from gateway.domain.executor import ExecutorUnavailable
from gateway.domain.house import House
from gateway.engine.engine import Engine
from gateway.key_rules import check_keys, prepare_keys
from gateway.listener import Listener
from gateway.refusal import Refusal
from gateway.settings import Settings
from gateway.stopping import cancel_running_jobs
from gateway.store_choice import build_store, open_store
from gateway.web import WebServer

log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises Refusal when the gateway cannot start."""
    with _data_folder(settings) as (folder, open_files), closing(_listener(settings)) as listener:
        _run(_serve(settings, folder, listener, open_files))


def work(settings: Settings) -> None:
    """Run jobs until SIGTERM or SIGINT, and answer nobody. Raises Refusal when the node cannot start."""
    with _data_folder(settings) as (folder, open_files):
        _run(_work(settings, folder, open_files))


async def _serve(settings: Settings, folder: DataFolder, listener: Listener, open_files: int) -> None:
    stop = _stop_event()
    async with _house(settings, folder, open_files, listener) as house:
        if not settings.work and not house.store.shared:
            raise Refusal("setting WORK: nobody else could run the jobs of a SQLite file; name another STORE")
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

        async with _engine(house, settings):
            await web.run_until(stop, ready=ready, stopping=stopping)
    log.info("stopped")


async def _work(settings: Settings, folder: DataFolder, open_files: int) -> None:
    stop = _stop_event()
    async with _house(settings, folder, open_files, listener=None) as house:
        if not house.store.shared:
            raise Refusal("setting STORE: a SQLite file belongs to one `gateway serve`, which runs its jobs")
        await check_keys(house, settings)
        async with _engine(house, settings):
            log.info(
                "node %s runs jobs", house.node.name, extra={"data": str(folder.path), "pid": os.getpid()}
            )
            await stop.wait()
            log.info("stopping")
    log.info("stopped")


@contextmanager
def _data_folder(settings: Settings) -> Iterator[tuple[DataFolder, int]]:
    """The folder, held, and how many files a job may have open."""
    _check_user(settings)
    open_files = _raise_file_limit()
    folder = DataFolder(settings.data)
    folder.make(passing_group=_job_group(settings))
    folder.lock()
    try:
        yield folder, open_files
    finally:
        folder.release()


def _listener(settings: Settings) -> Listener:
    return Listener(settings.host, settings.port)


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def _house(
    settings: Settings, folder: DataFolder, open_files: int, listener: Listener | None
) -> AsyncIterator[House]:
    """The domain with its store open."""
    store = build_store(settings, folder)
    await open_store(store)
    try:
        yield await build_house(store, settings, folder, listener, open_files=open_files)
    finally:
        await store.close()


@asynccontextmanager
async def _engine(house: House, settings: Settings) -> AsyncIterator[Engine]:
    """The engine, at work unless it is told not to."""
    engine = Engine(house)
    try:
        try:
            await engine.start(working=settings.work)
        except (PermissionError, ExecutorUnavailable) as error:
            # Jobs run as another user, who cannot reach its scratch folders.
            raise Refusal(str(error)) from None
        yield engine
        if settings.stop_jobs_on_exit:
            await engine.hold()
            await cancel_running_jobs(house)
    finally:
        await engine.stop()


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
