"""`gateway work`."""

import click

from gateway.cli.options import setting_options
from gateway.cli.serve import prepare
from gateway.server import work
from gateway.settings import Settings


@click.command("work")
@setting_options()
def work_command(settings: Settings) -> None:
    """Run jobs until SIGTERM or Ctrl+C, and answer nobody: a further node for gateways that share a store.

    The settings are those of `gateway serve`; HOST, PORT and what else is about answering mean nothing here.
    """
    prepare(settings)
    work(settings)
