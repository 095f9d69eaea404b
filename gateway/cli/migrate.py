"""`gateway migrate`."""

import click

from gateway.cli.options import setting_options
from gateway.data_folder import DataFolder
from gateway.settings import Settings
from gateway.store_choice import migrate_store


@click.command("migrate")
@setting_options("data", "store")
def migrate_command(settings: Settings) -> None:
    """Bring the database up to date for this version of the gateway, or make it.

    A gateway that starts does the same; this is for those who want it done before. An older gateway refuses a
    database that is newer than itself.
    """
    folder = DataFolder(settings.data)
    if settings.store is None:
        folder.make()
        folder.lock()
    try:
        name, before, after = migrate_store(settings, folder)
    finally:
        folder.release()
    done = "was up to date" if before == after else f"came from version {before or 'none'}"
    click.echo(f"database {name}: version {after}, {done}")
