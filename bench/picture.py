"""The table as a picture: each figure as a bar on a scale where its goal is the line in the middle.

Left of the line is better, whichever way the goal counts; a step of the scale is a factor of two. The colours
follow the reader's choice of light or dark.
"""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.figures import Figure

_WIDTH, _LINE, _TOP = 1140, 24, 46
_MIDDLE, _STEP, _STEPS = 820, 45, 4
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.small { font-size: 11px; fill: #59636e; }
.paper { fill: #ffffff; }
.grid { stroke: #d1d9e0; }
.goal { stroke: #1f2328; stroke-width: 1.5; }
.met { fill: #1a7f37; } .short { fill: #cf222e; } .proof { fill: #9a6700; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .small { fill: #9198a1; } .paper { fill: #0d1117; }
.grid { stroke: #3d444d; } .goal { stroke: #f0f6fc; }
.met { fill: #3fb950; } .short { fill: #f85149; } .proof { fill: #d29922; }
}"""


def picture(figures: Sequence[tuple[str, Figure]]) -> str:
    """The SVG of the figures that have a goal."""
    shown = [(row, figure) for row, figure in figures if figure.goal is not None]
    height = _TOP + _LINE * len(shown) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img" aria-label="Figures and their goals">',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
    ]
    for step in range(-_STEPS, _STEPS + 1):
        x = _MIDDLE + step * _STEP
        told = "goal" if step == 0 else f"{2 ** abs(step)}×"
        kind = "goal" if step == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP - 8}" y2="{height - 8}"/>')
        parts.append(f'<text class="small" x="{x}" y="{_TOP - 14}" text-anchor="middle">{told}</text>')
    parts.append(f'<text class="small" x="{_MIDDLE - 100}" y="14" text-anchor="middle">← better</text>')
    parts.append(f'<text class="small" x="{_MIDDLE + 100}" y="14" text-anchor="middle">worse →</text>')
    for number, (row, figure) in enumerate(shown):
        parts += _bar(_TOP + number * _LINE, row, figure)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(top: int, row: str, figure: Figure) -> list[str]:
    goal = figure.goal
    assert goal is not None
    value = max(figure.spread.median, goal.value / 1e6)
    worse = value / goal.value if goal.relation == "<=" else goal.value / value
    steps = min(max(math.log2(worse), -_STEPS), _STEPS)
    start, length = _MIDDLE + min(steps, 0) * _STEP, max(abs(steps) * _STEP, 2)
    kind = {"met": "met", "short": "short"}.get(figure.outcome, "proof")
    unit = f" {figure.unit}" if figure.unit else ""
    name = figure.name if len(figure.name) <= 78 else figure.name[:77] + "…"
    return [
        f'<text x="10" y="{top + 14}">{escape(row)}</text>',
        f'<text x="62" y="{top + 14}">{escape(name)}</text>',
        f'<rect class="{kind}" x="{start:.1f}" y="{top + 3}" width="{length:.1f}" height="14" rx="2"/>',
        f'<text x="{_WIDTH - 124}" y="{top + 14}">{figure.spread.median:.3g}{unit}</text>',
        f'<text class="small" x="{_WIDTH - 50}" y="{top + 14}">{escape(str(goal))}</text>',
    ]
