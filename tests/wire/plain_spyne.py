"""Spyne as its documentation would have it, without any workaround: what its faults are shown with."""

import importlib
import io
import subprocess
import sys
from typing import Any

from lxml import etree

from gateway.soap import spyne_compat as spyne

PLAIN = "urn:plain"
HTTP = "http://schemas.xmlsoap.org/soap/http"
Color = spyne.Enum("RED", "GREEN", type_name="Color")


class Thing(spyne.ComplexModel):  # type: ignore[misc]  # Spyne has no types
    __namespace__ = PLAIN
    number = spyne.Decimal(min_occurs=0)
    color = Color.customize(min_occurs=0)
    text = spyne.Unicode(min_occurs=1, nillable=False)


class Plain:
    """A service with one method `echo`, and calls of it without a network."""

    def __init__(
        self, protocol: Any = spyne.Soap11, method: Any = None, transport: str | None = HTTP
    ) -> None:
        self.asked: list[Any] = []
        self.reply: Any = None

        def echo(_ctx: Any, one: Any, two: Any) -> Any:
            self.asked.append((one, two))
            if isinstance(self.reply, Exception):
                raise self.reply
            return self.reply

        text = spyne.Unicode(min_occurs=0)
        method = method or spyne.rpc(text, text, _returns=Thing, _args=["one", "two"])(echo)
        service = type("Service", (spyne.ServiceBase,), {"echo": method})
        self.protocol = protocol
        self.app = spyne.Application(
            [service], PLAIN, "Plain", in_protocol=protocol(), out_protocol=protocol()
        )
        spyne.unregister_application(self.app)
        if transport is not None:
            self.app.transport = transport

    def wsdl(self) -> Any:
        """The WSDL, built once more."""
        wsdl = self.app.interface.docs.wsdl11
        wsdl.build_interface_document("urn:address")
        return etree.fromstring(wsdl.get_interface_document())

    def context(self, body: str) -> Any:
        """A context with an envelope that came in."""
        ctx = spyne.MethodContext(spyne.ServerBase(self.app), spyne.MethodContext.SERVER)
        ctx.in_string = [self.envelope(body)]
        return ctx

    def envelope(self, body: str) -> bytes:
        """An envelope with this in its body."""
        xsi = "http://www.w3.org/2001/XMLSchema-instance"
        return (
            f'<s:Envelope xmlns:s="{self.protocol.ns_soap_env}" xmlns="{PLAIN}" xmlns:xsi="{xsi}">'
            f"<s:Body>{body}</s:Body></s:Envelope>"
        ).encode()

    def answered(self, body: str = "<echo/>", reply: Any = None) -> Any:
        """The context of a call that was run; the method gives or raises `reply`."""
        self.reply = reply
        server = spyne.ServerBase(self.app)
        (ctx,) = server.generate_contexts(self.context(body))
        if ctx.in_error is None:
            server.get_in_object(ctx)
        if ctx.in_error is None:
            server.get_out_object(ctx)
        return ctx

    def call(self, body: str = "<echo/>", reply: Any = None) -> str:
        """What comes back; the method gives or raises `reply`."""
        ctx = self.answered(body, reply)
        spyne.ServerBase(self.app).get_out_string(ctx)
        return b"".join(ctx.out_string).decode()

    def over_wsgi(self, body: bytes, content_type: str = "text/xml") -> tuple[str, bytes]:
        """Status and body of what comes back over Spyne's own transport."""
        told: list[str] = []
        environment = {
            **{"REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "", "wsgi.url_scheme": "http"},
            **{"HTTP_HOST": "localhost", "SERVER_NAME": "localhost", "SERVER_PORT": "80"},
            **{
                "CONTENT_TYPE": content_type,
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": io.BytesIO(body),
            },
        }
        serve = importlib.import_module("spyne.server.wsgi").WsgiApplication(self.app)
        reply = b"".join(serve(environment, lambda status, _headers, _problem=None: told.append(status)))
        return told[0], reply


def python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own."""
    return subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=False)
