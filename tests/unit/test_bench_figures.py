"""How the bench makes figures of measurements, and draws them."""

import json
from itertools import count
from xml.etree import ElementTree

import pytest

from bench.figures import Figure, Spread, at_least, at_most, in_turn, quantile
from bench.picture import picture


def test_the_ratio_is_the_median_of_the_rounds_and_not_of_the_sums():
    first, second = iter([10.0, 40.0, 90.0]), iter([10.0, 20.0, 30.0])
    ratio, a, b = in_turn(lambda: next(first), lambda: next(second), rounds=3)
    assert (ratio.median, ratio.low, ratio.high) == (2.0, 1.0, 3.0)
    assert (a, b) == (40.0, 20.0)


def test_every_other_round_begins_with_the_second():
    order = []
    clock = count(1)

    def measure(name):
        order.append(name)
        return float(next(clock))

    in_turn(lambda: measure("a"), lambda: measure("b"), rounds=3)
    assert "".join(order) == "abbaab"


def test_quartiles_leave_outliers_aside():
    spread = Spread.of([1.0, 1.1, 1.2, 1.3, 50.0])
    assert (spread.low, spread.median, spread.high) == (1.1, 1.2, 1.3)


@pytest.mark.parametrize(
    ("goal", "value", "outcome"),
    [
        (at_most(1.5), 1.5, "met"),
        (at_most(1.5), 1.51, "short"),
        (at_least(8), 8.0, "met"),
        (at_least(8), 7.9, "short"),
        (None, 1.0, "told"),
    ],
)
def test_the_median_decides_whether_a_goal_is_met(goal, value, outcome):
    # The quartiles lie on the other side.
    assert Figure("row", Spread(value, value - 5, value + 5), goal).outcome == outcome


def test_what_is_measured_smaller_than_the_goal_says_proves_nothing():
    small = Spread(1.0, 1.0, 1.0)
    assert Figure("row", small, at_most(1.2), proof=False).outcome == "no proof"
    assert Figure("row", small, at_least(1.2), proof=False).outcome == "short, no proof"


def test_a_quantile_is_one_of_the_values():
    values = [float(number) for number in range(1000, 0, -1)]
    assert quantile(values, 0.99) == 991.0
    assert quantile([3.0], 0.99) == 3.0


def test_the_picture_shows_better_left_of_the_goal_whichever_way_it_counts():
    figures = [
        ("1", Figure("twice as good", Spread(0.75, 0.7, 0.8), at_most(1.5))),
        ("3", Figure("half of what is asked & short", Spread(50.0, 40.0, 60.0), at_least(100))),
        ("x", Figure("without a goal", Spread(1.0, 1.0, 1.0))),
    ]
    svg = ElementTree.fromstring(picture(figures))
    (line,) = [part for part in svg if part.get("class") == "goal"]
    middle = float(line.attrib["x1"])
    bars = [part.attrib for part in svg if part.get("class") in ("met", "short")]
    assert [bar["class"] for bar in bars] == ["met", "short"]
    assert float(bars[0]["x"]) + float(bars[0]["width"]) == middle
    assert float(bars[1]["x"]) == middle


def test_a_figure_is_read_from_json_as_it_was_written():
    figure = Figure("row", Spread(2.0, 1.0, 3.0), at_least(8), unit="ms", note="beside", proof=False)
    assert Figure.of(json.loads(json.dumps(figure.plain()))) == figure
