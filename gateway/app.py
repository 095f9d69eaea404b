"""Puts the gateway together: the only place that knows which adapter is behind which port."""

import secrets

from starlette.types import ASGIApp

from gateway.catalogue_file import read_catalogue
from gateway.clock import SystemClock
from gateway.contract.seam import Seam
from gateway.data_folder import DataFolder
from gateway.domain.house import House, OwnNode, Policy
from gateway.domain.ports import JobStore
from gateway.executor_choice import build_executor
from gateway.http.forwarded import Forwarded
from gateway.http.guard import Guard
from gateway.http.request_id import RequestIds
from gateway.http.routes import Routes
from gateway.listener import Listener
from gateway.pages.docs import docs_pages
from gateway.refusal import Refusal
from gateway.rest.door import rest_door
from gateway.rest.probes import openapi_pages, probe_pages
from gateway.settings import Settings
from gateway.soap.door import PATH as SOAP_PATH
from gateway.soap.door import soap_door
from gateway.store_choice import open_vault
from gateway.stores.attachment_folder import AttachmentFolder
from gateway.vault import KEY_BYTES, StoreSealer


class Readiness:
    """Whether requests are served: not before everything has started, and not while it stops."""

    def __init__(self) -> None:
        self.ready = False

    async def reason(self) -> str | None:
        """Why not; None when they are."""
        return None if self.ready else "the gateway starts or stops"


async def build_house(
    store: JobStore,
    settings: Settings,
    folder: DataFolder,
    listener: Listener | None,
    *,
    open_files: int,
) -> House:
    """The domain with its parts. The store is open. Raises Refusal when a setting cannot be obeyed.

    `listener`: where it answers, None = nowhere. `open_files`: how many files a job may have open, however
    many the gateway itself may.
    """
    catalogue = read_catalogue(settings.catalogue)
    executor = build_executor(settings, folder.jobs, open_files=open_files)
    sealing_key = await store.write(
        lambda tx: tx.setting("sealing_key", lambda: secrets.token_bytes(KEY_BYTES))
    )
    return House(
        store=store,
        executor=executor,
        attachments=AttachmentFolder(folder.attachments),
        clock=SystemClock(),
        vault=open_vault(settings, folder),
        sealer=StoreSealer(sealing_key),
        catalogue=catalogue,
        policy=_policy(settings, listener),
        node=OwnNode(identity=folder.identity(), name=settings.node_name),
    )


def build_app(house: House, settings: Settings, listener: Listener, readiness: Readiness) -> ASGIApp:
    """Both doors, the pages and the health checks, behind the guard."""
    seam = Seam(house)
    doorkeeper = seam if settings.docs_need_key else None
    rest = rest_door(
        seam,
        max_body_bytes=settings.max_body_bytes,
        ignored_query_parameters=settings.ignored_query_parameters,
    )
    soap = soap_door(
        seam,
        public_url=settings.public_url,
        max_body_bytes=settings.max_body_bytes,
        docs_need_key=settings.docs_need_key,
    )
    pages = {
        **probe_pages(readiness.reason),
        **openapi_pages(settings.public_url, key_needed_by=doorkeeper),
        **docs_pages(key_needed_by=doorkeeper),
    }
    guarded = Guard(
        Routes({**soap, **pages}, otherwise=rest),
        listening_host=listener.host,
        has_keys=lambda: house.store.read(lambda store: store.has_keys()),
        public_url=settings.public_url,
        allowed_hosts=settings.allowed_hosts,
        cors_origins=settings.cors_origins,
    )
    return RequestIds(Forwarded(guarded, trusted=settings.trusted_proxies))


def _jobs_url(settings: Settings, listener: Listener | None) -> str:
    """The address under which jobs reach the gateway. Raises Refusal."""
    if settings.jobs_url:
        return settings.jobs_url
    # Processes run on this host: PUBLIC_URL may lead over a proxy that they cannot reach.
    if listener is not None and (settings.executor == "process" or not settings.public_url):
        return listener.local_url
    if settings.public_url:
        return settings.public_url
    raise Refusal("setting JOBS_URL: a node that answers nobody must say where its jobs reach a gateway")


def _policy(settings: Settings, listener: Listener | None) -> Policy:
    jobs_url = _jobs_url(settings, listener)
    return Policy(
        max_running_jobs=settings.max_running_jobs,
        max_running=settings.max_running,
        max_not_final=settings.max_not_final,
        max_attachment_bytes=settings.max_attachment_bytes,
        max_job_attachment_bytes=settings.max_job_attachment_bytes,
        retention_days=settings.retention_days,
        allowed_images=settings.allowed_images,
        volumes=frozenset(settings.volumes),
        features=("MTOM",),
        lease_seconds=settings.lease_seconds,
        api_url=jobs_url,
        soap_url=jobs_url + SOAP_PATH,
    )
