"""The command `gateway`."""

from typing import Any

import click

from gateway import CONTRACT_VERSION, __version__
from gateway.cli.contract import contract_command
from gateway.cli.keys import keys_group
from gateway.cli.serve import serve_command
from gateway.refusal import Refusal
from gateway.settings import PREFIX


class _Commands(click.Group):
    """Tells a refusal in a line each and ends with exit code 2, as for wrong options."""

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
    context_settings={"auto_envvar_prefix": PREFIX.rstrip("_"), "help_option_names": ["-h", "--help"]},
)
def cli() -> None:
    """One job domain behind two doors: SOAP with a WSDL, REST with OpenAPI."""


@cli.command("version")
def version_command() -> None:
    """Tell the version of the gateway and of its contract."""
    click.echo(f"jobs-gateway {__version__}, contract {CONTRACT_VERSION}")


cli.add_command(serve_command)
cli.add_command(keys_group)
cli.add_command(contract_command)


def main() -> None:
    """Run the command line."""
    cli(prog_name="gateway")


if __name__ == "__main__":
    main()
