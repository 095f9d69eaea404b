"""Calls from standard input, made with zeep. The README says what a line looks like."""

import base64
import json
import sys
from datetime import datetime
from decimal import Decimal
from typing import Any

import zeep
from zeep.helpers import serialize_object


def given(value: Any) -> Any:
    """What zeep takes for a JSON value: its own types for instants, bytes and nil."""
    if value is None:
        return zeep.xsd.Nil
    if isinstance(value, list):
        return [given(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$instant" in value:
        return datetime.fromisoformat(value["$instant"])
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    return {name: given(item) for name, item in value.items()}


def told(value: Any) -> Any:
    """JSON for what it has no word for."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value))


def main() -> None:
    client = zeep.Client(sys.argv[1])
    fault_type = client.get_element("{urn:jobs-gateway:v2}serviceFault")
    for line in sys.stdin:
        call = json.loads(line, parse_float=Decimal)
        operation = client.service[call["operation"]]
        try:
            answer = {"reply": serialize_object(operation(**given(call["arguments"])), dict)}
        except zeep.exceptions.Fault as fault:
            detail = fault_type.parse(fault.detail[0], client.wsdl.types)
            answer = {"fault": serialize_object(detail, dict)}
        print(json.dumps(answer, default=told), flush=True)


main()
