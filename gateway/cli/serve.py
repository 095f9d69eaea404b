"""`gateway serve`."""

import logging
import os

import click

from gateway.cli.options import CONFIG_VARIABLE, setting_options
from gateway.logs import set_up_logs
from gateway.server import serve
from gateway.settings import PREFIX, Settings, unknown_variables

_OTHER_VARIABLES = (CONFIG_VARIABLE, PREFIX + "KEYS_", PREFIX + "CONTRACT_", PREFIX + "TRANSLATE_")
"""Variables of the other commands' options."""


@click.command("serve")
@setting_options()
def serve_command(settings: Settings) -> None:
    """Run the gateway until SIGTERM or Ctrl+C.

    Every option can also be set by its environment variable, or in the TOML file that --config names
    (`max_body_bytes = 1000000`). An option goes before the environment, the environment before the file.
    """
    prepare(settings)
    serve(settings)


def prepare(settings: Settings) -> None:
    """Set up the logs, and warn of variables that mean nothing."""
    set_up_logs(level=settings.log_level, format=settings.log_format)
    for line in unknown_variables(os.environ, _OTHER_VARIABLES):
        logging.getLogger(__name__).warning(line)
