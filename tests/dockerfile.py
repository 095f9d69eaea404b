"""Reads a Dockerfile, as far as ours goes: instructions with their continued lines; no here-documents."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_CONTINUED = re.compile(r"\\\n(?:[ \t]*#[^\n]*\n)*")


@dataclass(frozen=True)
class Instruction:
    """A line such as `USER 10001`: its name, in capitals, and the rest."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The rest, as a JSON array or as words of a shell."""
        found: list[str] = json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)
        return found


class Dockerfile:
    """The stages of a Dockerfile, each a list of instructions that begins with its FROM."""

    def __init__(self, path: Path) -> None:
        self.arguments: dict[str, str] = {}
        """Defaults of the ARGs before the first stage."""
        self.stages: list[list[Instruction]] = []
        for line in _CONTINUED.sub(" ", path.read_text("utf-8")).splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            name, _, text = line.strip().partition(" ")
            instruction = Instruction(name.upper(), text.strip())
            if instruction.name == "FROM":
                self.stages.append([instruction])
            elif self.stages:
                self.stages[-1].append(instruction)
            else:
                argument, _, default = instruction.text.partition("=")
                self.arguments[argument] = default

    @property
    def instructions(self) -> list[Instruction]:
        """Those of all stages."""
        return [instruction for stage in self.stages for instruction in stage]

    def last(self, name: str) -> Instruction:
        """The one of the final stage that is in force."""
        return [instruction for instruction in self.stages[-1] if instruction.name == name][-1]

    @property
    def environment(self) -> dict[str, str]:
        """What the final stage sets by ENV."""
        pairs = [word for one in self.stages[-1] if one.name == "ENV" for word in one.words]
        return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}

    @property
    def health_check(self) -> list[str]:
        """The command of the final stage's HEALTHCHECK."""
        _, _, command = self.last("HEALTHCHECK").text.partition("CMD ")
        return Instruction("CMD", command.strip()).words
