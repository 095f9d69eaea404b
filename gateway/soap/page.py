"""The page for people at the address of the SOAP door."""

from collections.abc import Iterable
from html import escape

from gateway.contract.operation import Operation

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Jobs gateway: SOAP</title>
</head>
<body>
<h1>Jobs gateway: SOAP</h1>
<p>Send envelopes to this address with POST: SOAP 1.1 as <code>text/xml</code>, SOAP 1.2 as
<code>application/soap+xml</code>.</p>
<p>The contract: <a href="{path}?wsdl">WSDL for SOAP 1.1</a>,
<a href="{path}?wsdl=1.2">WSDL for SOAP 1.2</a>.</p>
<h2>Operations</h2>
<table>
<thead>
<tr><th scope="col">Operation</th><th scope="col">What it does</th><th scope="col">Role</th></tr>
</thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def page(operations: Iterable[Operation], path: str) -> str:
    """The page; `path` is the door's own."""
    rows = "\n".join(
        f"<tr><td><code>{escape(operation.name)}</code></td><td>{escape(operation.summary)}</td>"
        f"<td>{escape(operation.role)}</td></tr>"
        for operation in operations
    )
    return _PAGE.format(path=escape(path), rows=rows)
