"""Logs: JSON lines, text on a terminal, no values in tracebacks, and no harm when nobody reads them."""

import io
import json
import logging

import pytest

from gateway.logs import set_up_logs


@pytest.fixture(autouse=True)
def _root_as_it_was():
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before


def fail_with_a_secret():
    secret = "jg_hidden"
    raise ValueError(len(secret))


def test_a_line_is_a_json_object_with_its_values():
    out = io.StringIO()
    set_up_logs(format="json", stream=out)
    logging.getLogger("gateway.call").info("call %s", 1, extra={"operation": "getJob", "milliseconds": 1.5})
    line = json.loads(out.getvalue())
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "call 1",
        "level": "info",
        "logger": "gateway.call",
        "operation": "getJob",
        "milliseconds": 1.5,
    }


def test_what_is_no_terminal_gets_json():
    out = io.StringIO()
    set_up_logs(stream=out)
    logging.getLogger("x").warning("hello")
    assert json.loads(out.getvalue())["event"] == "hello"


@pytest.mark.parametrize("format", ["json", "text"])
def test_a_traceback_shows_no_values(format):
    out = io.StringIO()
    set_up_logs(format=format, stream=out)
    try:
        fail_with_a_secret()
    except ValueError:
        logging.getLogger("x").exception("it failed")
    assert "ValueError" in out.getvalue()
    assert "fail_with_a_secret" in out.getvalue()
    assert out.getvalue().count("jg_hidden") == 0


def test_levels_below_the_setting_are_left_out():
    out = io.StringIO()
    set_up_logs(level="warning", format="text", stream=out)
    logging.getLogger("x").info("quiet")
    logging.getLogger("x").warning("loud")
    assert "quiet" not in out.getvalue()
    assert "loud" in out.getvalue()


def test_a_reader_that_went_away_does_no_harm():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    set_up_logs(stream=Gone())
    logging.getLogger("x").warning("nobody hears this")
