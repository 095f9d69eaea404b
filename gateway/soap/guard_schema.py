"""The schema of the WSDL as a guard: it checks what the reader has found no fault with once more.

It is a relaxed copy. Members that can be cleared may be nil, and so may the element of an operation (some
stacks send that for a call without arguments). Instants, decimals, words and bytes are checked by the reader
alone, since libxml2 refuses blanks round them, or digits that the contract takes.
"""

import re
from itertools import islice

from lxml import etree

from gateway.contract.operation import Operation
from gateway.contract.seam import MOST_PROBLEMS
from gateway.contract.shapes import models_of, shape_of
from gateway.domain.errors import Problem
from gateway.translate import NAMESPACE
from gateway.translate.xml_reader import XSD, Element

_CHECKED_BY_READER = ("xs:dateTime", "xs:decimal", "xs:boolean", "xs:base64Binary")
_STEP = re.compile(r"(?:[^:/\[\]]+:)?([^:/\[\]]+)(?:\[([0-9]+)\])?")


class GuardSchema:
    """Validates the element of an operation, as a subtree.

    To be used on the event loop alone: a schema's log of errors is shared by all who use it. Spyne's own
    validators leave one schema to all threads, so that a caller's fault may show another one's values.
    """

    def __init__(self, schema: Element, operations: tuple[Operation, ...]) -> None:
        self._schema = etree.XMLSchema(_relaxed(schema, operations))

    def problems(self, element: Element) -> list[Problem]:
        """What is wrong with the element; nothing when it is valid."""
        if self._schema.validate(element):
            return []
        found = [
            Problem(_path(str(entry.path), element), str(entry.message).replace(f"{{{NAMESPACE}}}", ""))
            for entry in islice(self._schema.error_log, MOST_PROBLEMS)
        ]
        return found or [Problem((), "is not valid")]


def _relaxed(schema: Element, operations: tuple[Operation, ...]) -> Element:
    relaxed = etree.fromstring(etree.tostring(schema))
    for element in relaxed.iter(f"{{{XSD}}}element"):
        if element.get("type") in _CHECKED_BY_READER:
            element.set("type", "xs:string")
    for restriction in relaxed.iter(f"{{{XSD}}}restriction"):
        # Blanks round a word do not matter.
        restriction.set("base", "xs:token")
    names = {operation.name for operation in operations}
    for element in relaxed.findall(f"{{{XSD}}}element"):
        if element.get("name") in names:
            element.set("nillable", "true")
    for model in models_of([operation.request for operation in operations]):
        for member in shape_of(model).members:
            if member.clearable:
                path = (
                    f"{{{XSD}}}complexType[@name='{model.__name__}']//{{{XSD}}}element[@name='{member.wire}']"
                )
                for element in relaxed.findall(path):
                    element.set("nillable", "true")
    return relaxed


def _path(path: str, element: Element) -> tuple[str | int, ...]:
    """libxml2's path of an element as the path of a problem.

    A step is a name with a prefix, or `*` where there is no prefix: `/n:startJob/n:job/n:tags[2]`,
    `/*/*[1]/*[3]`; a number counts the elements that the step fits.
    """
    parts: list[str | int] = []
    for step in path.strip("/").split("/")[1:]:
        found = _STEP.fullmatch(step)
        if found is None:
            break
        fitting = element.iterchildren("*" if found[1] == "*" else f"{{*}}{found[1]}")
        child = next(islice(fitting, int(found[2] or 1) - 1, None), None)
        if child is None:
            break
        element = child
        parts.append(etree.QName(element).localname)
        before = sum(1 for _ in element.itersiblings(str(element.tag), preceding=True))
        if before or next(element.itersiblings(str(element.tag)), None) is not None:
            parts.append(before)
    return tuple(parts)
