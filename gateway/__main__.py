"""The command `gateway`."""

from importlib import import_module
from typing import Any

import click

from gateway import CONTRACT_VERSION, __version__
from gateway.refusal import Refusal
from gateway.settings import PREFIX

_COMMANDS = {
    "serve": "gateway.cli.serve:serve_command",
    "work": "gateway.cli.work:work_command",
    "keys": "gateway.cli.keys:keys_group",
    "contract": "gateway.cli.contract:contract_command",
    "translate": "gateway.cli.translate:translate_command",
}
"""Imported when they are run: `gateway keys` need not wait for the SOAP door."""


class _Commands(click.Group):
    """Tells a refusal in a line each and ends with exit code 2, as for wrong options."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the help text."""
        return [*_COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            for line in str(refusal).splitlines():
                click.echo(f"gateway: {line}", err=True)
            ctx.exit(2)


@click.group(
    cls=_Commands,
    context_settings={
        "auto_envvar_prefix": PREFIX.rstrip("_"),
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
    },
)
def cli() -> None:
    """One job domain behind two doors: SOAP with a WSDL, REST with OpenAPI."""


@cli.command("version")
def version_command() -> None:
    """Tell the version of the gateway and of its contract."""
    click.echo(f"jobs-gateway {__version__}, contract {CONTRACT_VERSION}")


def main() -> None:
    """Run the command line."""
    cli(prog_name="gateway")


if __name__ == "__main__":
    main()
