"""The files that are made from the contract: wsdl/, the OpenAPI document and the README's table."""

from pathlib import Path

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.refusal import Refusal
from gateway.rest.openapi import openapi_bytes
from gateway.soap.golden import documents

WSDL = "wsdl"
OPENAPI = "tests/golden/openapi.json"
README = "README.md"
BEGIN = "<!-- operations -->"
END = "<!-- /operations -->"


def differences(folder: Path) -> list[str]:
    """A line for each file in the project's folder that is not as the contract has it."""
    lines = []
    for path, wanted in _wanted(folder).items():
        if wanted is None:
            lines.append(f"{path} is no longer part of the contract")
        elif not (folder / path).exists():
            lines.append(f"{path} is missing")
        elif (folder / path).read_bytes() != wanted:
            lines.append(f"{path} differs")
    return lines


def write_files(folder: Path) -> list[str]:
    """Renew the files that differ; their paths."""
    changed = []
    for path, wanted in _wanted(folder).items():
        file = folder / path
        if wanted is None:
            file.unlink()
        elif file.exists() and file.read_bytes() == wanted:
            continue
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(wanted)
        changed.append(path)
    return changed


def operations_table() -> str:
    """The operations as a table in Markdown."""
    rows = ["| operation | REST | SOAP | role |", "|---|---|---|---|"]
    return "\n".join([*rows, *(_row(operation) for operation in OPERATIONS)])


def with_table(readme: str) -> str:
    """The README with its table renewed. Raises Refusal when the marks round it are missing."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Refusal(f"{README}: the table of operations stands between the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{operations_table()}\n{END}{after}"


def _wanted(folder: Path) -> dict[str, bytes | None]:
    """The contents of every file, by path in the project; None = it should not be there."""
    readme = folder / README
    if not readme.exists():
        raise Refusal(f"{folder.absolute()} is not the project's folder: it has no {README}")
    wanted: dict[str, bytes | None] = {
        **{f"{WSDL}/{name}": content for name, content in documents().items()},
        OPENAPI: openapi_bytes(),
        README: with_table(readme.read_text("utf-8")).encode(),
    }
    for file in sorted((folder / WSDL).rglob("*")):
        path = file.relative_to(folder).as_posix()
        if file.is_file() and path not in wanted:
            wanted[path] = None
    return wanted


def _row(operation: Operation) -> str:
    http = operation.http
    rest = ", ".join(f"`{http.method} {path}`" for path in (http.path, *http.aliases))
    children = [part.name for part in operation.path]
    if operation.query:
        children.append(f"query: {operation.query.__name__}")
    if operation.body:
        children.append(f"{operation.body.name}: {operation.body.model.__name__}")
    request = f"`{', '.join(children)}`" if children else "nothing"
    reply = f"`{operation.reply.name}: {operation.reply.model.__name__}`" if operation.reply else "nothing"
    role = f"{operation.role.value}, job" if operation.worker else operation.role.value
    return f"| {operation.name} | {rest} | {request} → {reply} | {role} |"
