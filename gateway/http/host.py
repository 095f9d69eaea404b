"""Hosts and origins as headers write them, in a form that can be compared."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

DEFAULT_PORTS = {"http": "80", "https": "443"}

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?")

Address = IPv4Address | IPv6Address


@lru_cache(maxsize=1024)
def host_of(text: str) -> str | Address | None:
    """The host of a Host header without its port: an IP literal as such, a name in lower case.

    None when it is no host. An IPv4 address inside an IPv6 one counts as itself.
    """
    found = _HOST.fullmatch(text.strip())
    if not found or int(found[2] or 0) > 65535:
        return None
    host = found[1]
    if host.startswith("["):
        try:
            return unmapped(IPv6Address(host[1:-1]))
        except ValueError:
            return None
    try:
        return ip_address(host)
    except ValueError:
        return host.lower().removesuffix(".") or None


def port_of(text: str) -> str:
    """The port that a Host header names; empty when it names none or is no host."""
    found = _HOST.fullmatch(text.strip())
    return (found[2] or "") if found else ""


@lru_cache(maxsize=1024)
def origin_of(text: str) -> tuple[str, str | Address, str] | None:
    """An origin as scheme, host and port (RFC 6454 section 4); None when it is none, such as `null`."""
    scheme, colon, rest = text.strip().rstrip("/").partition("://")
    host = host_of(rest)
    if not colon or host is None:
        return None
    return scheme.lower(), host, port_of(rest) or DEFAULT_PORTS.get(scheme.lower(), "")


def bracketed(address: str) -> str:
    """An address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def unmapped(address: Address) -> Address:
    """An IPv4 address that came as an IPv6 one, as itself; a socket on `::` tells all clients so."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
