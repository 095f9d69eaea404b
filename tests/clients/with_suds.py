"""Calls from standard input, made with suds. The README says what a line looks like."""

import json
import sys
from datetime import datetime
from decimal import Decimal
from typing import Any

import suds.client
from suds.sudsobject import asdict


def given(value: Any) -> Any:
    """What suds takes for a JSON value: its own types for instants and nil; bytes are base64 to it."""
    if value is None:
        return suds.null()
    if isinstance(value, list):
        return [given(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$instant" in value:
        return datetime.fromisoformat(value["$instant"])
    if "$bytes" in value:
        return value["$bytes"]
    return {name: given(item) for name, item in value.items()}


def told(value: Any) -> Any:
    """JSON for what it has no word for."""
    if isinstance(value, suds.sudsobject.Object):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value))


def main() -> None:
    client = suds.client.Client(sys.argv[1], cache=None)
    for line in sys.stdin:
        call = json.loads(line, parse_float=Decimal)
        operation = getattr(client.service, call["operation"])
        try:
            answer = {"reply": operation(**given(call["arguments"]))}
        except suds.WebFault as error:
            answer = {"fault": error.fault.detail.serviceFault}
        print(json.dumps(answer, default=told), flush=True)


main()
