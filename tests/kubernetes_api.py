"""The HTTP side of the API server stand-in: paths, watch protocol, refusals and checks of the real one."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.kubernetes_checks import check
from tests.kubernetes_cluster import KINDS, Cluster, Object, Refusal, now
from tests.kubernetes_kubelet import Kubelet

Handler = Callable[[Request], Any]


@dataclass
class Fault:
    """Something that goes wrong with the next request that fits."""

    method: str
    path: str
    """A regular expression that is found in the path."""
    code: int = 0
    """Status to answer with; 0 = the connection breaks."""
    reason: str = "InternalError"
    message: str = "made to fail"
    headers: dict[str, str] = field(default_factory=dict)
    is_done: bool = False
    """Whether the request is carried out before it fails."""
    watch: bool | None = None
    """Whether it must be a watch; None = either."""
    continued: bool | None = None
    """Whether it must be a further part of a list; None = either."""
    garbage: bytes | None = None
    """What to answer with instead of a `Status`."""
    times: int = 1
    """How often; less than 0 = until the fault is taken away."""


@dataclass
class Told:
    """A request that was made, as a Role would name it."""

    verb: str
    resource: str


class Api:
    """Serves a cluster."""

    def __init__(self, cluster: Cluster, kubelet: Kubelet, namespace: str) -> None:
        self.cluster = cluster
        self.kubelet = kubelet
        self.namespace = namespace
        self.tokens = {"stand-token"}
        self.version = "v1.34.1"
        self.page = 500
        """Most objects in one part of a list, whatever the client wants."""
        self.faults: list[Fault] = []
        self.told: list[Told] = []
        self.marked = 0
        """The resourceVersion of the latest bookmark."""
        self.following = 0
        """Logs that are read along."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: set[asyncio.Event] = set()
        """One for each watch that is open."""
        self._drops = 0
        cluster.listeners.append(self._wake)

    def app(self) -> ASGIApp:
        """The application."""
        base, batch = f"/api/v1/namespaces/{self.namespace}", f"/apis/batch/v1/namespaces/{self.namespace}"
        handlers: list[tuple[str, str, str, Handler]] = [
            ("GET", "/version", "version", self._version),
            ("GET", f"{batch}/jobs", "jobs", self._list),
            ("POST", f"{batch}/jobs", "jobs", self._create),
            ("GET", f"{batch}/jobs/{{name}}", "jobs", self._get),
            ("PATCH", f"{batch}/jobs/{{name}}", "jobs", self._patch),
            ("DELETE", f"{batch}/jobs/{{name}}", "jobs", self._delete_job),
            ("GET", f"{base}/pods", "pods", self._list),
            ("DELETE", f"{base}/pods/{{name}}", "pods", self._delete_pod),
            ("GET", f"{base}/pods/{{name}}/log", "pods/log", self._log),
            ("POST", f"{base}/secrets", "secrets", self._create),
            ("GET", f"{base}/events", "events", self._list),
        ]
        routes = [
            Route(path, self._guarded(method, resource, handler), methods=[method])
            for method, path, resource, handler in handlers
        ]
        return Starlette(routes=routes, exception_handlers={404: _no_such_path, 405: _no_such_path})

    def drop_watches(self) -> None:
        """Break the connections of all watches."""
        self._drops += 1
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        for news in self._news:
            news.set()

    def _guarded(self, method: str, resource: str, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            self._loop = asyncio.get_running_loop()
            request.state.resource = resource
            watch = request.query_params.get("watch") == "true"
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
                return _status(Refusal(401, "Unauthorized", "Unauthorized"))
            verb = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}[method]
            if handler == self._list:
                verb = "watch" if watch else "list"
            self.told.append(Told(verb, resource))
            fault = self._fault(method, request, watch)
            if fault is not None and not fault.is_done:
                return _failed(fault)
            try:
                reply: Response = await handler(request)
            except Refusal as refusal:
                return _status(refusal)
            return reply if fault is None else _failed(fault)

        return answer

    def _fault(self, method: str, request: Request, watch: bool) -> Fault | None:
        continued = "continue" in request.query_params
        for fault in self.faults:
            if (
                fault.method == method
                and re.search(fault.path, request.url.path)
                and fault.watch in (None, watch)
                and fault.continued in (None, continued)
            ):
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return fault
        return None

    async def _version(self, _request: Request) -> Response:
        major, minor = self.version.removeprefix("v").split(".")[:2]
        return JSONResponse(
            {"major": major, "minor": minor, "gitVersion": self.version, "platform": "linux/amd64"}
        )

    async def _get(self, request: Request) -> Response:
        return JSONResponse(self.cluster.get(request.state.resource, request.path_params["name"]))

    async def _create(self, request: Request) -> Response:
        given: Object = await request.json()
        await asyncio.to_thread(check, given, self.namespace)
        return JSONResponse(self.cluster.create(request.state.resource, given), 201)

    async def _patch(self, request: Request) -> Response:
        if request.headers.get("Content-Type") != "application/merge-patch+json":
            raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        return JSONResponse(self.cluster.patch_job(request.path_params["name"], await request.json()))

    async def _delete_job(self, request: Request) -> Response:
        options = await _options(request)
        if options.get("propagationPolicy") != "Background":
            raise Refusal(400, "BadRequest", "the stand-in knows the propagation policy Background alone")
        return JSONResponse(self.cluster.delete_job(request.path_params["name"]))

    async def _delete_pod(self, request: Request) -> Response:
        options = await _options(request)
        uid = options.get("preconditions", {}).get("uid")
        name = request.path_params["name"]
        return JSONResponse(self.cluster.delete_pod(name, options.get("gracePeriodSeconds"), uid))

    async def _log(self, request: Request) -> Response:
        name = request.path_params["name"]
        pod = self.cluster.get("pods", name)
        container = request.query_params.get("container")
        if container not in [one["name"] for one in pod["spec"]["containers"]]:
            raise Refusal(400, "BadRequest", f"container {container} is not valid for pod {name}")
        if name not in self.kubelet.logs:
            message = f'container "{container}" in pod "{name}" is waiting to start: ContainerCreating'
            raise Refusal(400, "BadRequest", message)
        if request.query_params.get("follow") == "true":
            return StreamingResponse(self._followed(name), media_type="text/plain")
        return Response(bytes(self.kubelet.logs[name]), media_type="text/plain")

    async def _followed(self, name: str) -> AsyncIterator[bytes]:
        sent, log = 0, self.kubelet.logs[name]

        def grown() -> bytes:
            with self.kubelet.written:
                self.kubelet.written.wait_for(
                    lambda: len(log) > sent or self.kubelet.has_ended(name), timeout=0.5
                )
                return bytes(log[sent:])

        self.following += 1
        try:
            over, piece = False, b""
            while not over or piece:
                over = self.kubelet.has_ended(name)
                piece = await asyncio.to_thread(grown)
                sent += len(piece)
                yield piece
        finally:
            self.following -= 1

    async def _list(self, request: Request) -> Response:
        resource, query = request.state.resource, request.query_params
        if query.get("watch") == "true":
            return StreamingResponse(self._watched(resource, request), media_type="application/json")
        with self.cluster.lock:
            version, after, everything = self.cluster.version, "", self.cluster.all(resource)
        if token := query.get("continue"):
            version, after = json.loads(base64.b64decode(token))
            if version < self.cluster.oldest:
                raise Refusal(410, "Expired", "The provided continue parameter is too old")
        found = [one for one in everything if _fits(one, query) and one["metadata"]["name"] > after]
        limit = min(self.page, int(query.get("limit", 0)) or self.page)
        metadata: Object = {"resourceVersion": str(version)}
        if len(found) > limit:
            token = base64.b64encode(
                json.dumps([version, found[limit - 1]["metadata"]["name"]]).encode()
            ).decode()
            metadata |= {"continue": token, "remainingItemCount": len(found) - limit}
        api_version, kind = KINDS[resource]
        # Items of a list have neither apiVersion nor kind.
        items = [{k: v for k, v in one.items() if k not in ("apiVersion", "kind")} for one in found[:limit]]
        return JSONResponse(
            {"apiVersion": api_version, "kind": f"{kind}List", "metadata": metadata, "items": items}
        )

    async def _watched(self, resource: str, request: Request) -> AsyncIterator[bytes]:
        query = request.query_params
        known, drops = int(query["resourceVersion"]), self._drops
        api_version, kind = KINDS[resource]
        changed = asyncio.Event()
        self._news.add(changed)
        try:
            yield b""
            async with asyncio.timeout(float(query.get("timeoutSeconds", 300))):
                while True:
                    changed.clear()
                    if drops != self._drops:
                        raise ConnectionAbortedError("dropped")
                    with self.cluster.lock:
                        oldest, upto = self.cluster.oldest, self.cluster.version
                        news = [event for event in self.cluster.history if event[0] > known]
                    if known < oldest:
                        message = f"too old resource version: {known} ({oldest})"
                        yield _line("ERROR", _status_object(Refusal(410, "Expired", message)))
                        return
                    for version, of, type_, subject in news:
                        if of == resource and _fits(subject, query):
                            yield _line(type_, subject)
                            known = version
                    if upto > known and query.get("allowWatchBookmarks") == "true":
                        mark = {"resourceVersion": str(upto), "creationTimestamp": None}
                        yield _line("BOOKMARK", {"apiVersion": api_version, "kind": kind, "metadata": mark})
                        known = upto
                        self.marked = upto
                    await changed.wait()
        except TimeoutError:
            return
        finally:
            self._news.discard(changed)


async def _options(request: Request) -> Object:
    body = await request.body()
    options: Object = json.loads(body) if body else {}
    known = {"apiVersion", "kind", "gracePeriodSeconds", "preconditions", "propagationPolicy"}
    if unknown := options.keys() - known:
        raise Refusal(400, "BadRequest", f"unknown field {sorted(unknown)}")
    return options


def _fits(subject: Object, query: Any) -> bool:
    labels = subject["metadata"].get("labels", {})
    for pair in filter(None, query.get("labelSelector", "").split(",")):
        name, _, value = pair.partition("=")
        if labels.get(name) != value:
            return False
    for pair in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, value = pair.partition("=")
        found: Any = subject
        for step in path.split("."):
            found = found.get(step, {})
        if found != value:
            return False
    return True


def _line(kind: str, subject: Object) -> bytes:
    return json.dumps({"type": kind, "object": subject}).encode() + b"\n"


def _status_object(refusal: Refusal) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": refusal.message,
        "reason": refusal.reason,
        "code": refusal.code,
    }


def _status(refusal: Refusal) -> Response:
    return JSONResponse(_status_object(refusal), refusal.code)


def _failed(fault: Fault) -> Response:
    if fault.garbage is not None:
        return Response(fault.garbage, fault.code, media_type="application/json")
    if fault.code == 0:
        return StreamingResponse(_broken(), media_type="application/json")
    refusal = Refusal(fault.code, fault.reason, fault.message)
    return JSONResponse(_status_object(refusal), fault.code, headers=fault.headers)


async def _broken() -> AsyncIterator[bytes]:
    yield b"{"
    raise ConnectionAbortedError("broken")


async def _no_such_path(request: Request, _error: Exception) -> Response:
    return _status(
        Refusal(404, "NotFound", f"the server could not find the requested resource {request.url.path}")
    )


def event(about: Object, reason: str, message: str) -> Object:
    """A warning about an object."""
    return {
        "metadata": {"name": f"{about['metadata']['name']}.{reason.lower()}", "namespace": "x", "labels": {}},
        "involvedObject": {"uid": about["metadata"]["uid"], "name": about["metadata"]["name"]},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": now(),
    }
