"""Options of commands that are settings: each has its setting's name, text, default and variable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic.fields import FieldInfo

from gateway.settings import PREFIX, Settings, option_name, read_settings, variable_name

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

CONFIG_VARIABLE = PREFIX + "CONFIG"


class _SettingOption(click.Option):
    """An option whose variable is shown here but read with the settings, which know what goes first."""

    def resolve_envvar_value(self, ctx: click.Context) -> None:
        """Nothing: see above."""


def setting_options(*fields: str) -> Callable[[FunctionT], FunctionT]:
    """Give a command `--config` and the options of these settings, of all when none is named.

    The command is called with `settings`.
    """

    def decorate(function: FunctionT) -> FunctionT:
        def command(config: Path | None, **values: Any) -> Any:
            options = {name: values.pop(name) for name in list(values) if name in Settings.model_fields}
            given = {name: value for name, value in options.items() if value is not None}
            return function(settings=read_settings(given, config), **values)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        for name in reversed(fields or tuple(Settings.model_fields)):
            command = _option(name, Settings.model_fields[name])(command)
        config_option = click.option(
            "--config",
            type=click.Path(path_type=Path),
            envvar=CONFIG_VARIABLE,
            show_envvar=True,
            help="TOML file with settings.",
        )
        return config_option(command)  # type: ignore[return-value]

    return decorate


def _option(name: str, field: FieldInfo) -> Callable[[FunctionT], FunctionT]:
    option = option_name(name)
    shown: dict[str, Any] = {
        "cls": _SettingOption,
        "envvar": variable_name(name),
        "show_envvar": True,
        "help": _help(field),
    }
    if field.annotation is bool:
        return click.option(f"{option}/--no-{option[2:]}", name, default=None, **shown)
    return click.option(option, name, metavar=_metavar(name, field), **shown)


def _help(field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split())
    default = field.default
    if field.default_factory is not None or default in (None, (), {}):
        # The text says what holds then.
        return meaning
    if isinstance(default, bool):
        default = "yes" if default else "no"
    elif isinstance(default, tuple):
        default = ",".join(default)
    return f"{meaning} Default: {default}"


def _metavar(name: str, field: FieldInfo) -> str:
    if field.annotation is int:
        return "N"
    choices = getattr(field.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return "|".join(choices)
    if field.annotation in (Path, Path | None):
        return "FOLDER" if name == "data" else "FILE"
    return "LIST" if "tuple" in str(field.annotation) or "dict" in str(field.annotation) else "TEXT"
