"""The one place that imports Spyne, made ready for every Python from 3.11 on.

Spyne 2.14 brings an old copy of `six` whose importer Python 3.12 cannot load, and it imports `cgi`, which
Python 3.13 no longer has (the distribution legacy-cgi brings it back) and 3.11 warns about. So PyPI's `six`
takes the place of the copy before the first import; nothing in Spyne's own folder is changed.
"""

import collections.abc
import http.cookies
import sys
import urllib.error
import urllib.parse
import urllib.request
import warnings
from types import ModuleType
from typing import Any

import six
import six.moves


def _function_name(function: Any) -> str:
    name: str = function.__name__
    return name


def _prepare() -> None:
    copy = ModuleType("spyne.util.six")
    copy.__dict__.update({name: value for name, value in vars(six).items() if not name.startswith("__")})
    moves = ModuleType("spyne.util.six.moves")
    moves.__path__ = []
    contents: dict[str, ModuleType] = {
        "collections_abc": collections.abc,
        "http_cookies": http.cookies,
        "urllib": urllib,
        "urllib.parse": urllib.parse,
        "urllib.request": urllib.request,
        "urllib.error": urllib.error,
    }
    for name, module in contents.items():
        sys.modules[f"spyne.util.six.moves.{name}"] = module
        if "." not in name:
            setattr(moves, name, module)
    # Spyne's copy was patched to have this one.
    copy.__dict__.update(get_function_name=_function_name, moves=moves)
    sys.modules["spyne.util.six.moves"] = moves
    sys.modules["spyne.util.six"] = copy


if "spyne" not in sys.modules:
    _prepare()

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from spyne import Application, ComplexModel, Fault, MethodContext, ServiceBase, rpc
    from spyne.interface import InterfaceDocuments
    from spyne.interface.wsdl import Wsdl11
    from spyne.model.binary import ByteArray
    from spyne.model.enum import Enum
    from spyne.model.primitive import Boolean, DateTime, Decimal, Integer32, Integer64, Unicode
    from spyne.protocol.soap import Soap11, Soap12
    from spyne.server import ServerBase
    from spyne.util.appreg import unregister_application

__all__ = [
    "Application",
    "Boolean",
    "ByteArray",
    "ComplexModel",
    "DateTime",
    "Decimal",
    "Enum",
    "Fault",
    "Integer32",
    "Integer64",
    "InterfaceDocuments",
    "MethodContext",
    "ServerBase",
    "ServiceBase",
    "Soap11",
    "Soap12",
    "Unicode",
    "Wsdl11",
    "rpc",
    "unregister_application",
]
