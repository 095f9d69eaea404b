"""The table: printed while it grows, then written as JSON, as Markdown into the README, and as a picture."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.picture import picture

_FOLDER = Path(__file__).parent
_RESULTS = _FOLDER / "results.json"
_BEGIN, _END = "<!-- results -->", "<!-- /results -->"
_MARKS = {"met": "✔", "short": "✘", "told": " ", "no proof": "~", "short, no proof": "✘~"}


class Report:
    """The figures of a run."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._figures: list[tuple[str, Figure]] = []
        print(f"{facts['processor']}, {facts['cores']} cores, load {facts['load']}", flush=True)
        if not facts["apart"]:
            print("one core only: servers and callers share it, so the figures are no proof", flush=True)

    def add(self, row: str, figure: Figure) -> None:
        """Take a figure in and print its line."""
        self._figures.append((row, figure))
        goal = "" if figure.goal is None else str(figure.goal)
        print(
            f"{_MARKS[figure.outcome]:2} {row:>7}  {figure.name:<78.78} {_value(figure):>9} {goal:>6}  "
            f"[{_spread(figure)}]  {figure.note}",
            flush=True,
        )

    def tell(self, seconds: float, failed: Sequence[str]) -> None:
        """Say what fell short."""
        short = [f"{row} ({figure.name})" for row, figure in self._figures if "short" in figure.outcome]
        load = os.getloadavg()[0]
        print(f"\n{len(self._figures)} figures in {seconds:.0f} s, load {load:.2f}")
        print("short of their goal: " + ("; ".join(short) or "none"))
        if failed:
            print("not measured: " + ", ".join(failed))

    def write(self, rows: Sequence[str]) -> None:
        """Renew the files; rows that were not measured now stay as they were. `rows` is their order."""
        known: dict[str, Any] = json.loads(_RESULTS.read_text())["rows"] if _RESULTS.exists() else {}
        for name in dict.fromkeys(row for row, _ in self._figures):
            figures = [figure.plain() for row, figure in self._figures if row == name]
            known[name] = {
                "measured_at": self._facts["measured_at"],
                "load": self._facts["load"],
                "figures": figures,
            }
        known = {name: known[name] for name in rows if name in known}
        document = {"facts": self._facts, "rows": known}
        _RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        shown = [(name, Figure.of(figure)) for name, row in known.items() for figure in row["figures"]]
        (_FOLDER / "table.svg").write_text(picture(shown))
        readme = _FOLDER / "README.md"
        before, _, rest = readme.read_text().partition(_BEGIN)
        _, _, after = rest.partition(_END)
        readme.write_text(f"{before}{_BEGIN}\n{self._markdown(known)}{_END}{after}")

    def _markdown(self, rows: dict[str, Any]) -> str:
        facts = self._facts
        lines = [
            f"{facts['cores']} cores of {facts['processor']}, {facts['memory_gib']} GiB, Linux "
            f"{facts['kernel']}, Python {facts['python']}, SQLite {facts['sqlite']}, PostgreSQL "
            f"{facts['postgresql']}. *Load* is how many programs wanted a core when the row began: more than "
            "one or two were not ours.",
            "",
            "| row | what | median | quartiles | goal | outcome | load | beside it |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name, row in rows.items():
            for given in row["figures"]:
                figure = Figure.of(given)
                goal = "" if figure.goal is None else str(figure.goal)
                outcome = f"**{figure.outcome}**" if "short" in figure.outcome else figure.outcome
                cells = (name, figure.name, _value(figure), _spread(figure), goal, outcome)
                lines.append("| " + " | ".join([*cells, str(row["load"]), figure.note]) + " |")
        return "\n".join(lines) + "\n"


def _value(figure: Figure) -> str:
    return f"{_number(figure.spread.median)} {figure.unit}".strip()


def _spread(figure: Figure) -> str:
    return f"{_number(figure.spread.low)} … {_number(figure.spread.high)}"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
