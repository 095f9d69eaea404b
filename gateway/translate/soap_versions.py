"""The two versions of SOAP that are served, and how each says things."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, kw_only=True)
class SoapVersion:
    """A version of SOAP, told by media type and by the envelope's namespace."""

    number: str
    namespace: str
    media_type: str
    next_actor: str
    """The role of whoever receives the message next."""
    our_actors: frozenset[str]
    """Values of actor or role that mean us."""
    actor_attribute: str
    true_words: frozenset[str]
    """What mustUnderstand may say for true."""
    false_words: frozenset[str]
    client_code: str
    server_code: str
    client_status: int
    """HTTP status of a fault that the caller can mend."""
    wsdl_namespace: str
    port: str
    """Name of the binding and of the port."""

    @cached_property
    def envelope(self) -> str:
        """The tag of the envelope, in Clark notation."""
        return f"{{{self.namespace}}}Envelope"

    @cached_property
    def header(self) -> str:
        """The tag of its header."""
        return f"{{{self.namespace}}}Header"

    @cached_property
    def body(self) -> str:
        """The tag of its body."""
        return f"{{{self.namespace}}}Body"

    @cached_property
    def content_type(self) -> str:
        """Content-Type of replies."""
        return f"{self.media_type}; charset=utf-8"


# SOAP 1.1 sections 4.2.2 and 4.2.3 (actor, mustUnderstand is "0" or "1"), 4.4.1 (fault codes), 6.2 (500).
SOAP11 = SoapVersion(
    number="1.1",
    namespace="http://schemas.xmlsoap.org/soap/envelope/",
    media_type="text/xml",
    next_actor="http://schemas.xmlsoap.org/soap/actor/next",
    our_actors=frozenset({"", "http://schemas.xmlsoap.org/soap/actor/next"}),
    actor_attribute="actor",
    true_words=frozenset({"1"}),
    false_words=frozenset({"0"}),
    client_code="Client",
    server_code="Server",
    client_status=500,
    wsdl_namespace="http://schemas.xmlsoap.org/wsdl/soap/",
    port="JobsSoap11",
)

# SOAP 1.2 part 1 sections 2.2 (roles), 5.2.3 (mustUnderstand is a boolean), 5.4.6 (fault codes);
# part 2 table 20 (Sender is 400).
SOAP12 = SoapVersion(
    number="1.2",
    namespace="http://www.w3.org/2003/05/soap-envelope",
    media_type="application/soap+xml",
    next_actor="http://www.w3.org/2003/05/soap-envelope/role/next",
    our_actors=frozenset(
        {
            "",
            "http://www.w3.org/2003/05/soap-envelope/role/next",
            "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
        }
    ),
    actor_attribute="role",
    true_words=frozenset({"1", "true"}),
    false_words=frozenset({"0", "false"}),
    client_code="Sender",
    server_code="Receiver",
    client_status=400,
    wsdl_namespace="http://schemas.xmlsoap.org/wsdl/soap12/",
    port="JobsSoap12",
)

VERSIONS = (SOAP11, SOAP12)
