"""The names that stubs carry, as `tests/golden/wsdl-names.json` freezes them.

`python -m tests.wire.wsdl_names` writes the file. From release 1.0 on, it may only grow (contract, versions).
"""

import json
from pathlib import Path
from typing import Any

from lxml import etree

from gateway.soap import golden

FILE = Path(__file__).parents[1] / "golden" / "wsdl-names.json"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
XSD = "{http://www.w3.org/2001/XMLSchema}"


def names_of(wsdl: Any) -> dict[str, Any]:
    """The names of one WSDL: what it defines, and the members and values of each type, in their order."""
    (schema,) = wsdl.iter(f"{XSD}schema")
    top = {
        kind: [str(found.get("name")) for found in wsdl.iter(f"{WSDL}{kind}")]
        for kind in ("service", "port", "binding", "portType", "message", "part")
    }
    return {kind: list(dict.fromkeys(names)) for kind, names in top.items()} | {
        "element": [element.get("name") for element in schema.findall(f"{XSD}element")],
        "members": {
            found.get("name"): [
                f"{member.get('name')}: {member.get('type')}"
                for member in found.findall(f"{XSD}sequence/{XSD}element")
            ]
            for found in schema.findall(f"{XSD}complexType")
        },
        "values": {
            found.get("name"): [value.get("value") for value in found.iter(f"{XSD}enumeration")]
            for found in schema.findall(f"{XSD}simpleType")
        },
    }


def frozen() -> dict[str, Any]:
    """The names of each WSDL, by its file name."""
    kept: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return kept


if __name__ == "__main__":
    made = golden.documents()
    found = {name: names_of(etree.fromstring(made[name])) for name in made if name.endswith(".wsdl")}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
