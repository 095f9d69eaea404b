"""The client stacks of others that the tests drive, what is known of them, and a conversation with one.

Each stack is a small program beside this file. It makes its stubs from the WSDL whose address it is given,
then answers each line of standard input, a call, with a line of standard output:

    {"operation": "getJob", "arguments": {"jobId": "…"}}
    {"reply": {"id": "…", "jobStatus": "RUNNING", …}}        what the reply's one child became
    {"fault": {"technicalKey": "JOB_NOT_FOUND", …}}          what the fault's detail became

In arguments {"$instant": "…"} and {"$bytes": "base64"} stand for what JSON cannot say, null for xsi:nil.
`python -m tests.clients.stacks` tells which stacks this machine has.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from gateway.contract.registry import OPERATIONS
from gateway.translate.fault import ServiceFault
from tests.clients.values import values_of
from tests.message_rules import MessageRules
from tests.recorder import Recorder

HERE = Path(__file__).parent
REPLIES = {operation.name: operation.reply for operation in OPERATIONS}
SECONDS = 60.0
"""How long a call may take; nothing waits for it when all is well."""


def _lacks_zeep() -> str | None:
    return None if importlib.util.find_spec("zeep") else "no package zeep"


def _lacks_suds() -> str | None:
    return None if importlib.util.find_spec("suds") else "no package suds-community"


@cache
def _lacks_php() -> str | None:
    if not shutil.which("php"):
        return "no php"
    modules = subprocess.run(["php", "-m"], capture_output=True, text=True, check=True).stdout.split()
    return None if "soap" in modules else "php lacks the extension soap"


def _lacks_node() -> str | None:
    if not shutil.which("node"):
        return "no node"
    return None if (HERE / "node/node_modules/soap").is_dir() else "no npm package soap in tests/clients/node"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A client stack, and the few things that it cannot say or see."""

    name: str
    version: str = "1.1"
    program: tuple[str, ...]
    """Starts it; the WSDL's address comes behind."""
    arguments: tuple[str, ...] = ()
    """Follow the address."""
    lacks: Callable[[], str | None]
    """What this machine lacks to run it, if anything."""
    says_nil: bool = True
    """Whether it writes xsi:nil for elements that are not nillable."""
    says_cr: bool = True
    """Whether a CR arrives: unescaped it is read as a LF (XML 1.0 section 2.11)."""
    sees_empty: bool = True
    """Whether it tells the empty text from no text."""
    sees_blanks: bool = True
    """Whether it keeps the blanks at both ends of a text that it reads."""
    largest: int = 2**63 - 1
    """The largest integer that it can say and see."""

    def __str__(self) -> str:
        return f"{self.name}, SOAP {self.version}"

    def sent(self, text: str) -> str:
        """What arrives of a text."""
        return text if self.says_cr else text.replace("\r\n", "\n").replace("\r", "\n")

    def seen(self, text: str) -> str | None:
        """What it shows of a text; None when it shows none."""
        text = text if self.sees_blanks else text.strip()
        return text if text or self.sees_empty else None


_ZEEP = (sys.executable, str(HERE / "with_zeep.py"))
_PHP = ("php", str(HERE / "with_php.php"))

STACKS = (
    Stack(name="zeep", program=_ZEEP, lacks=_lacks_zeep, sees_empty=False),
    Stack(name="zeep", version="1.2", program=_ZEEP, lacks=_lacks_zeep, sees_empty=False),
    Stack(
        name="suds-community",
        program=(sys.executable, str(HERE / "with_suds.py")),
        lacks=_lacks_suds,
        says_nil=False,
        says_cr=False,
        sees_empty=False,
    ),
    # It writes members in the order in which they are given. Newer versions escape CR, but need a newer
    # Node.js than Debian 12 has.
    Stack(
        name="node soap",
        program=("node", str(HERE / "node/with_soap.js")),
        lacks=_lacks_node,
        says_cr=False,
        sees_blanks=False,
        largest=2**53 - 1,
    ),
    Stack(name="PHP SoapClient", program=_PHP, lacks=_lacks_php, says_nil=False),
    Stack(
        name="PHP SoapClient",
        version="1.2",
        program=_PHP,
        arguments=("1.2",),
        lacks=_lacks_php,
        says_nil=False,
    ),
)


class Refused(Exception):
    """The client saw a fault, whose detail it read."""

    def __init__(self, fault: ServiceFault) -> None:
        super().__init__(fault)
        self.key = fault.technical_key
        self.code = fault.code
        self.paths = [error.path for error in fault.errors]


class Conversation:
    """A stack's program at work on a gateway. Every message between the two is checked against the WSDL."""

    def __init__(self, stack: Stack, recorder: Recorder) -> None:
        self.stack = stack
        self._exchanges = recorder.exchanges
        query = "wsdl" if stack.version == "1.1" else "wsdl=1.2"
        command = [*stack.program, f"{recorder.url}/soap/v2/?{query}", *stack.arguments]
        # A stack runs nothing of the gateway: measuring its coverage would only make it slow.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def close(self) -> None:
        """End the program."""
        # Leaving it closes standard input, upon which the program ends by itself.
        with self._process:
            pass

    @cached_property
    def _rules(self) -> MessageRules:
        wsdl = self._exchanges[0]
        assert wsdl.method == "GET"
        rules = MessageRules(wsdl.content)
        assert rules.version == self.stack.version
        return rules

    def call(self, operation: str, **arguments: Any) -> Any:
        """What the stack shows of the reply, as `values_of` tells it. Raises Refused with what it shows of a
        fault.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        before = len(self._exchanges)
        late = threading.Timer(SECONDS, self._process.kill)
        late.start()
        try:
            stdin.write(json.dumps({"operation": operation, "arguments": arguments}) + "\n")
            stdin.flush()
            line = stdout.readline()
        finally:
            late.cancel()
            late.join()
        assert line, f"{self.stack} has ended; its standard error says why"
        (exchange,) = [one for one in self._exchanges[before:] if one.method == "POST"]
        self._rules.check(exchange)
        answer = json.loads(line)
        if fault := answer.get("fault"):
            # Most stacks read a detail without its type: they show a list of one as its item.
            if isinstance(fault.get("errors"), dict):
                fault["errors"] = [fault["errors"]]
            raise Refused(ServiceFault.read(values_of(ServiceFault, fault)))
        reply = REPLIES[operation]
        return None if reply is None else values_of(reply.model, answer["reply"], self.stack.seen)


if __name__ == "__main__":
    for stack in STACKS:
        print(f"{stack}: {stack.lacks() or 'is here'}")
