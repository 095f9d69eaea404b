"""`gateway copy`."""

from pathlib import Path

import click

from gateway.data_folder import DataFolder
from gateway.refusal import Refusal
from gateway.store_choice import with_driver
from gateway.stores.errors import StoreError

_POSTGRES = ("postgresql://", "postgres://")


@click.command("copy")
@click.argument("from", metavar="FROM")
@click.argument("to", metavar="TO")
def copy_command(to: str, **source: str) -> None:
    """Copy everything that a gateway keeps in the data folder FROM into the PostgreSQL database TO.

    TO is an address, postgresql://user@host/name, of a database that holds nothing of a gateway yet. No
    gateway may run on FROM. All of it is copied or nothing; FROM stays as it is. Output of jobs stays there:
    it is read by the gateway that goes on with that folder.
    """
    if not to.startswith(_POSTGRES) or source["from"].startswith(_POSTGRES):
        raise Refusal("copy: goes from a data folder into a database, gateway copy ./data postgresql://…")
    folder = DataFolder(Path(source["from"]))
    if not folder.exists():
        raise Refusal(f"data folder {folder.path}: no gateway has kept anything there")
    folder.lock()
    try:
        copying = with_driver("gateway.stores.sqlite_to_postgres")
        counts = copying.copy_all(folder.database, folder.attachments, to, identity=folder.identity())
    except StoreError as error:
        raise Refusal(str(error)) from None
    finally:
        folder.release()
    for name, count in counts.items():
        click.echo(f"{count:>12}  {name}")
    click.echo(
        f"Copied. Secrets are still sealed with the key in {folder.secret_key}: "
        "have every gateway on the database name it in SECRET_KEY_FILE."
    )
