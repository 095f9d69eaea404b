"""`gateway contract`: compares or renews the files that are generated from the contract."""

from pathlib import Path

import click

from gateway.contract_files import differences, write_files


@click.command("contract")
@click.option(
    "--check", "mode", flag_value="check", default=True, help="Compare; exit code 1 when one differs."
)
@click.option("--write", "mode", flag_value="write", help="Renew what differs.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    show_envvar=True,
    help="The project's folder. Default: the current one.",
)
def contract_command(mode: str, folder: Path) -> None:
    """Compare or renew the contract's files: wsdl/, the OpenAPI document and the README's operations."""
    if mode == "write":
        for path in write_files(folder):
            click.echo(f"renewed {path}")
        return
    found = differences(folder)
    for line in found:
        click.echo(line)
    if found:
        raise click.ClickException("renew with `gateway contract --write`")
