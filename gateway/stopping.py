"""STOP_JOBS_ON_EXIT: cancels what runs before the gateway stops. Jobs that wait go on at the next start."""

import asyncio
import logging

from gateway.domain.call import ENGINE
from gateway.domain.canceling import request_end
from gateway.domain.errors import JobNotCancellable
from gateway.domain.house import House
from gateway.domain.ports import Change, JobWriter
from gateway.domain.requests import JobCancellation
from gateway.domain.words import FINAL

log = logging.getLogger(__name__)

MARGIN_SECONDS = 10
"""How long after its grace a job is waited for; killing takes a moment."""


async def cancel_running_jobs(house: House) -> None:
    """Cancel every job that the executor holds and wait for their ends, no longer than the longest grace.

    The engine must run, and start nothing more. A job whose type cannot be canceled is left alone.
    """
    ended: set[str] = set()
    news = asyncio.Event()

    def listener(change: Change) -> None:
        if change.status in FINAL:
            ended.add(change.job_id)
            news.set()

    house.store.listen(listener)
    graces = await house.store.write(lambda store: _cancel(house, store))
    if not graces:
        return
    log.info("canceling %d running jobs", len(graces))
    try:
        async with asyncio.timeout(max(graces.values()) + MARGIN_SECONDS):
            while graces.keys() - ended:
                news.clear()
                await news.wait()
    except TimeoutError:
        log.warning("jobs still run: %s", ", ".join(sorted(graces.keys() - ended)))


def _cancel(house: House, store: JobWriter) -> dict[str, int]:
    """Graces in seconds, by the ids of the jobs that were told to end."""
    graces: dict[str, int] = {}
    for record in store.claimed(house.node.number):
        cancellation = JobCancellation(reason="the gateway stops")
        try:
            asked = request_end(house, store, record, cancellation, cause=ENGINE, now=house.clock.now())
        except JobNotCancellable as error:
            log.warning("%s; it goes on", error.reason)
            continue
        graces[asked.job.id] = asked.stop_grace_seconds or 0
    return graces
