"""Plain Spyne: its own parser, validator and serializer, a WSGI application behind a2wsgi's bridge.

The types are those of the gateway's WSDL. The objects live in memory, built at the start, so that building
them (a sixth of the serializer's own time) is not counted against it. It has no store, checks no key, and
keeps no reply.
"""

from typing import Any

from a2wsgi import WSGIMiddleware

from bench.servers.serving import serve
from gateway.contract.shapes import Kind, shape_of
from gateway.domain.job import Job
from gateway.domain.model import Model, load
from gateway.domain.queries import JobPage, JobQuery
from gateway.domain.words import Word
from gateway.soap.spyne_compat import Application, ServiceBase, Soap11, Unicode, rpc
from gateway.soap.types import enumeration_of, type_of
from gateway.translate import NAMESPACE

from spyne.server.wsgi import WsgiApplication  # isort: skip - only after spyne_compat


def app(page: bytes) -> Any:
    """listJobs and getJob, whose id does not matter."""
    shown = spyne_object(load(JobPage, page))

    class Jobs(ServiceBase):  # type: ignore[misc]  # Spyne has no types
        @rpc(
            type_of(JobQuery),
            _returns=type_of(JobPage),
            _in_variable_names={"_query": "query"},
            _out_variable_name="page",
            _operation_name="listJobs",
            _out_message_name="listJobsResponse",
        )
        def list_jobs(_context, _query):  # type: ignore[no-untyped-def]  # noqa: N805
            return shown

        @rpc(
            Unicode,
            _returns=type_of(Job),
            _in_variable_names={"_job_id": "jobId"},
            _out_variable_name="job",
            _operation_name="getJob",
            _out_message_name="getJobResponse",
        )
        def get_job(_context, _job_id):  # type: ignore[no-untyped-def]  # noqa: N805
            return shown.jobs[0]

    application = Application(
        [Jobs],
        NAMESPACE,
        name="JobsService",
        in_protocol=Soap11(validator="lxml"),
        out_protocol=Soap11(),
    )
    return WSGIMiddleware(_with_length(WsgiApplication(application)))


def _with_length(spyne: Any) -> Any:
    """Spyne's application with a Content-Length; its own `chunked=False` joins bytes as text and fails."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        begun: list[Any] = []
        body = b"".join(spyne(environ, lambda status, headers, *_: begun.extend((status, headers))))
        status, headers = begun
        headers = [header for header in headers if header[0].lower() != "content-length"]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return application


def spyne_object(value: Model) -> Any:
    """The Spyne object of a model."""
    shape = shape_of(type(value))
    made = type_of(type(value))()
    for member in shape.members:
        given = getattr(value, member.name)
        if given is None or given == ():
            continue
        if member.kind is Kind.MODEL:
            given = [spyne_object(item) for item in given] if member.many else spyne_object(given)
        elif member.kind is Kind.WORD:
            kind: type[Word] = member.type
            words = enumeration_of(kind)
            given = [getattr(words, item) for item in given] if member.many else getattr(words, given)
        elif member.many:
            given = list(given)
        setattr(made, member.wire, given)
    return made


if __name__ == "__main__":
    serve(app)
