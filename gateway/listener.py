"""The socket that the gateway listens on: bound early, so that a port in use is told before any work."""

import errno
import ipaddress
import socket

from gateway.refusal import Refusal


class Listener:
    """A bound socket. It takes no connection until a server listens on it."""

    def __init__(self, host: str, port: int) -> None:
        """Bind. Raises Refusal, naming HOST or PORT."""
        family, address = _resolve(host, port)
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(address)
        except OSError as error:
            self.socket.close()
            raise refusal_of(error, host, port) from None
        self.host, self.port = self.socket.getsockname()[:2]

    @property
    def url(self) -> str:
        """The address that is told: where the socket is bound."""
        return self._url(self.host)

    @property
    def local_url(self) -> str:
        """An address that reaches the socket from this host."""
        address = ipaddress.ip_address(self.host)
        if address.is_unspecified:
            return self._url("127.0.0.1" if address.version == 4 else "::1")
        return self._url(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach the socket."""
        return ipaddress.ip_address(self.host).is_loopback

    def _url(self, host: str) -> str:
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def close(self) -> None:
        """Give the port up."""
        self.socket.close()


def refusal_of(error: OSError, host: str, port: int) -> Refusal:
    """What a failure to bind or to listen means for the operator."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return Refusal(f"port in use: another program listens on {where}; choose another PORT (--port)")
    if error.errno == errno.EADDRNOTAVAIL:
        return Refusal(f"setting HOST: {host!r} is no address of this machine")
    if error.errno == errno.EACCES:
        return Refusal(f"setting PORT: this user may not listen on {where}")
    return Refusal(f"cannot listen on {where}: {error.strerror}")


def _resolve(host: str, port: int) -> tuple[int, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Refusal(f"setting HOST: {host!r} cannot be resolved: {reason}") from None
    # `localhost` may mean both; more clients try IPv4.
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, address  # type: ignore[return-value]
