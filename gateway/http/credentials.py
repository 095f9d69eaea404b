"""Finds the key or the token that a request was sent with. It is checked elsewhere."""

import base64
import binascii

from starlette.datastructures import Headers

from gateway.contract.credentials import Credentials

_NOTHING = Credentials()

UNREADABLE = Credentials(secret="")
"""Stands for credentials that cannot be read: they are no key, but not nothing either."""


def credentials_of(headers: Headers) -> Credentials:
    """The secret in X-API-KEY, else in Authorization: Bearer, or the password of Basic.

    X-API-KEY goes first, because a proxy may need Authorization for itself. A user name beside the password
    does not matter. Nothing, or another scheme, gives no secret; a header that cannot be read an empty one.
    """
    key = headers.get("x-api-key")
    if key is not None:
        return Credentials(secret=key.strip())
    authorization = headers.get("authorization")
    if authorization is None:
        return _NOTHING
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return Credentials(secret=value.strip())
    if scheme.lower() == "basic":
        return _basic(value.strip())
    return _NOTHING


def _basic(value: str) -> Credentials:
    """RFC 7617: base64 of the user name, a colon and the password."""
    try:
        _, colon, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return UNREADABLE
    return Credentials(secret=password) if colon else UNREADABLE
