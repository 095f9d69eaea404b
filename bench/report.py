"""The table: printed while it grows, then written as JSON, as Markdown into the README, and as a picture."""

import json
import os
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.picture import picture

_FOLDER = Path(__file__).parent
_BEGIN, _END = "<!-- results -->", "<!-- /results -->"
_MARKS = {"met": "✔", "short": "✘", "told": " ", "no proof": "~", "short, no proof": "✘~"}


class Report:
    """The figures of a run."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._figures: list[tuple[str, Figure]] = []
        print(f"{facts['processor']}, {facts['cores']} cores, load {facts['load_before']}", flush=True)
        if not facts["apart"]:
            print("one core only: servers and callers share it, so the figures are no proof", flush=True)

    def add(self, row: str, figure: Figure) -> None:
        """Take a figure in and print its line."""
        self._figures.append((row, figure))
        goal = "" if figure.goal is None else str(figure.goal)
        print(
            f"{_MARKS[figure.outcome]:2} {row:>7}  {figure.name:<78.78} {_value(figure):>9} {goal:>6}  "
            f"[{_number(figure.spread.low)} .. {_number(figure.spread.high)}]  {figure.note}",
            flush=True,
        )

    def tell(self, seconds: float, failed: list[str]) -> None:
        """Say what fell short."""
        self._facts["seconds"] = round(seconds)
        self._facts["load_after"] = round(os.getloadavg()[0], 2)
        short = [f"{row} ({figure.name})" for row, figure in self._figures if "short" in figure.outcome]
        print(f"\n{len(self._figures)} figures in {seconds:.0f} s, load {self._facts['load_after']}")
        print("short of their goal: " + ("; ".join(short) or "none"))
        if failed:
            print("not measured: " + ", ".join(failed))

    def write(self) -> None:
        """Renew the files."""
        document = {
            "facts": self._facts,
            "figures": [{"row": row, **figure.plain()} for row, figure in self._figures],
        }
        (_FOLDER / "results.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        (_FOLDER / "table.svg").write_text(picture(self._figures))
        readme = _FOLDER / "README.md"
        before, _, rest = readme.read_text().partition(_BEGIN)
        _, _, after = rest.partition(_END)
        readme.write_text(f"{before}{_BEGIN}\n{self._markdown()}{_END}{after}")

    def _markdown(self) -> str:
        facts = self._facts
        lines = [
            f"Measured {facts['measured_at']} on {facts['cores']} cores of {facts['processor']}, "
            f"{facts['memory_gib']} GiB, Linux {facts['kernel']}, Python {facts['python']}, SQLite "
            f"{facts['sqlite']}; load {facts['load_before']} before and {facts['load_after']} after.",
            "",
            "| row | what | median | quartiles | goal | outcome | beside it |",
            "|---|---|---|---|---|---|---|",
        ]
        for row, figure in self._figures:
            spread = f"{_number(figure.spread.low)} – {_number(figure.spread.high)}"
            goal = "" if figure.goal is None else str(figure.goal)
            cells = (row, figure.name, _value(figure), spread, goal, figure.outcome, figure.note)
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"


def _value(figure: Figure) -> str:
    return f"{_number(figure.spread.median)} {figure.unit}".strip()


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
