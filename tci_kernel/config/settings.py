"""The settings: which there are, what each is and where that comes from, and what is wrong.

They come in layers: Jupyter's configuration directories, the system's first, and then the command
line. The later layer wins. What no layer sets is an environment variable or a default.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_path
from traitlets import Container, Dict, HasTraits, TraitError, TraitType
from traitlets.config import Config, Configurable
from traitlets.config.loader import (
    ConfigFileNotFound,
    DeferredConfig,
    JSONFileConfigLoader,
    LazyConfigValue,
    PyFileConfigLoader,
)

from tci_kernel.config.traits import EnvironmentText
from tci_kernel.core.addresses import without_credentials
from tci_kernel.core.errors import ConfigurationError

# The name of the configuration files, which end in `.py` or `.json`.
BASENAME = "tci_kernel_config"

COMMAND_LINE = "command line"

Trait = TraitType[Any, Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source sets: a file, named by its path, or the command line."""

    source: str
    config: Config


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as it is in force, for people to read.

    The value of a secret is only whether it is set, and a URL is without its password.

    Attributes:
        name: `Class.trait`.
        value: what is in force.
        default: what would be, were nothing said.
        source: the layer that says so, an environment variable, or `default`.
        help: what it means.
    """

    name: str
    value: object
    default: object
    source: str
    help: str


class Catalogue:
    """The classes that have settings. It is given them, since they stand above this module.

    Args:
        homes: the classes of this package: the module of each, by its name. It is imported when
            the class is first asked for, which most starts of a kernel never do.
        others: gives classes that can be set as well, and so can their bases; None where what is
            set of other classes is no concern of this process.
    """

    def __init__(
        self,
        homes: Mapping[str, str],
        others: Callable[[], Sequence[type[HasTraits]]] | None = tuple,
    ) -> None:
        self._homes = homes
        self._others = others

    def classes(self) -> list[type[Configurable]]:
        """The classes of this package."""
        return [_imported(module, name) for name, module in self._homes.items()]

    def load(self) -> Config:
        """What the configuration files set, for a command, which can refuse to run.

        Raises:
            ConfigurationError: something in them is wrong.
        """
        layers, problems = self.read_files()
        if problems:
            raise ConfigurationError("\n".join(problems))
        return merged(layers)

    def read_files(self) -> tuple[list[Layer], list[str]]:
        """What the configuration files set, the weakest first, and what is wrong in them.

        What is wrong is left out of the layers, so that the rest can be used.
        """
        layers: list[Layer] = []
        problems: list[str] = []
        for directory in reversed(jupyter_config_path()):
            for kind, ending in ((PyFileConfigLoader, ".py"), (JSONFileConfigLoader, ".json")):
                loader = kind(BASENAME + ending, directory)
                try:
                    config = loader.load_config()
                except ConfigFileNotFound:
                    continue
                except BaseException as error:  # noqa: BLE001 - a program of the user's
                    path = loader.full_filename
                    problems.append(f"{path} can't be read: {_reason(error, path)}.")
                    continue
                config, wrong = self.checked(config, loader.full_filename)
                layers.append(Layer(loader.full_filename, config))
                problems += wrong
        _open_streams()
        return layers, problems

    def checked(self, config: Config, source: str) -> tuple[Config, list[str]]:
        """The part of a configuration that can be used, and a line for each part that can't."""
        good = Config()
        problems = []
        for path, value in _leaves(config):
            *sections, name = path
            problem = self._problem(sections[-1] if sections else "", name, value)
            if problem is not None:
                problems.append(f"{source}: {problem}")
                continue
            section = good
            for part in sections:
                section = section[part]
            section[name] = value
        return good, problems

    def _problem(self, section: str, name: str, value: object) -> str | None:
        """What is wrong with a setting, in a sentence; None if nothing is."""
        cls = self._class_named(section)
        if cls is None and self._others is None:
            return None
        trait = cls.class_traits(config=True).get(name) if cls is not None else None
        if cls is None or trait is None:
            full_name = f"{section}.{name}" if section else name
            return f"there is no setting {full_name!r}.{self._suggestion(section, name)}"
        return _problem_of_value(cls, name, trait, value)

    def _class_named(self, name: str) -> type[HasTraits] | None:
        if name in self._homes:
            return _imported(self._homes[name], name)
        others = () if self._others is None else self._others()
        bases = (base for cls in others for base in cls.mro())
        return next((base for base in bases if base.__name__ == name), None)

    def _suggestion(self, section: str, name: str) -> str:
        """What a misspelt name may have been meant to be: another class's, or one much like it."""
        from difflib import get_close_matches  # noqa: PLC0415 - few starts need it

        known = [f"{cls.__name__}.{trait}" for cls in self.classes() for trait in traits(cls)]
        same = [full_name for full_name in known if full_name.partition(".")[2] == name]
        close = same or get_close_matches(f"{section}.{name}", known, n=1, cutoff=0.8)
        return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set in a process, and what sets it. Made without arguments it has nothing.

    Attributes:
        catalogue: the classes that have settings.
        layers: what sets them, the weakest first.
    """

    catalogue: Catalogue = field(default_factory=lambda: Catalogue({}))
    layers: Sequence[Layer] = ()

    def in_force(self) -> list[Setting]:
        """Every setting of this package's classes."""
        return [
            _setting(cls, name, trait, self.layers)
            for cls in self.catalogue.classes()
            for name, trait in traits(cls).items()
        ]


def traits(cls: type[Configurable]) -> dict[str, Trait]:
    """The settings of one of the classes that are this package's, in the order of the source."""
    return {
        name: trait
        for base in cls.mro()
        if base.__module__.startswith("tci_kernel.") and issubclass(base, Configurable)
        for name, trait in vars(base).items()
        if isinstance(trait, TraitType) and trait.metadata.get("config")
    }


def _open_streams() -> None:
    """Put streams that go nowhere in place of those that a configuration file has closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream.closed:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for good


def _reason(error: BaseException, path: str) -> str:
    """Why a file can't be read. The text of other errors may quote it, and so a key."""
    if isinstance(error, (SyntaxError, json.JSONDecodeError)):
        return f"{error.msg} (line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return type(error).__name__ + (f" (line {lines[-1]})" if lines else "")


def merged(layers: Sequence[Layer]) -> Config:
    """One configuration of layers, the weakest first."""
    config = Config()
    for layer in layers:
        config.merge(layer.config)
    return config


def _leaves(config: Config, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value in a configuration, with the way to it: sections can lie in sections."""
    for name, value in config.items():
        if isinstance(value, Config):
            yield from _leaves(value, *above, name)
        else:
            yield (*above, name), value


def _problem_of_value(cls: type[HasTraits], name: str, trait: Trait, value: object) -> str | None:
    """What is wrong with the value of a setting, in a sentence; None if nothing is."""
    if isinstance(value, LazyConfigValue):  # a change of a value that is yet to be made
        return None
    if isinstance(value, DeferredConfig):
        if isinstance(trait, (Container, Dict)):  # the option may come again, for another item
            return None
        value = value.get_value(trait)
    # traitlets checks a value where it is set; this object has the one trait and no effects.
    probe = type(cls.__name__, (HasTraits,), {name: copy(trait)})()
    try:
        setattr(probe, name, value)
    except TraitError as error:
        secret = trait.metadata.get("secret")
        return f"{cls.__name__}.{name} has a value that is no text." if secret else str(error)
    return None


def _imported(module: str, name: str) -> type[Configurable]:
    return getattr(import_module(module), name)  # type: ignore[no-any-return]


def _setting(cls: type[Configurable], name: str, trait: Trait, layers: Sequence[Layer]) -> Setting:
    default = value = trait.default_value
    source = "default"
    if isinstance(trait, EnvironmentText) and os.environ.get(trait.variable):
        value, source = trait.default(), f"environment variable {trait.variable}"
    # A section for the class itself beats those for its bases, whatever their layers.
    for section in cls.section_names():
        for layer in layers:
            if f"{section}.{name}" in layer.config:
                value, source = layer.config[section][name], layer.source
    if isinstance(value, DeferredConfig):
        value = value.get_value(trait)
    if trait.metadata.get("secret"):
        value, default = ("set" if value else "not set"), "not set"
    elif isinstance(value, str):
        value = without_credentials(value)
    return Setting(f"{cls.__name__}.{name}", value, default, source, trait.help)
