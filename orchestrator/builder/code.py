"""A user's own factory function: found and digested without being executed, imported in the build worker only."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.builder.digests import digest
from orchestrator.errors import BuildError, ConfigError
from orchestrator.lab import LAB_VARIABLE


@dataclass(frozen=True, slots=True)
class Code:
    """Where a module comes from, and the digest of the top-level package (or the one file) that it is in."""

    root: str  # the entry of sys.path
    sha256: str


def locate(factory: str) -> Code:
    """Find the module of ``package.module:function`` in the working directory, the lab's folder, or on sys.path.

    Raises ConfigError where there is none.
    """
    lab = os.environ.get(LAB_VARIABLE)
    own = [str(Path.cwd()), *([str(Path(lab).expanduser().resolve())] if lab else [])]
    for root in dict.fromkeys([*own, *(entry for entry in sys.path if entry)]):
        found = code_in(root, factory)
        if found is not None:
            return found
    raise ConfigError(
        f"model.factory={factory}: there is no module {factory.partition(':')[0]}",
        hint=f"it is looked for in {', '.join(own)} and among what is installed",
    )


def code_in(root: str, factory: str) -> Code | None:
    """The factory's code as it is now; None where this folder has none."""
    *packages, leaf = factory.partition(":")[0].split(".")
    folder = Path(root, *packages)
    is_package = (folder / leaf / "__init__.py").is_file()
    if not is_package and not (folder / f"{leaf}.py").is_file():
        return None
    source = Path(root, [*packages, leaf][0]) if packages or is_package else folder / f"{leaf}.py"
    try:
        return Code(root, digest(source, "*.py"))
    except OSError as error:
        raise ConfigError(f"model.factory={factory}: cannot read {source}: {error.strerror or error}") from error


def load(factory: str, code: Code) -> Callable[..., Any]:
    """Import the module and take the function. Worker only: this executes the user's code.

    Raises BuildError naming the factory where that fails.
    """
    module, _, name = factory.partition(":")
    _forget_unless(module.partition(".")[0], code)
    sys.path.insert(0, code.root)
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise BuildError(f"model.factory={factory} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(code.root)  # only the module itself comes from there first: a lab may hold any name
        if code.root not in sys.path:
            sys.path.append(code.root)
    if not callable(found):
        raise BuildError(f"model.factory={factory} is no function but {type(found).__name__}")
    return found  # type: ignore[no-any-return]


_imported: dict[str, Code] = {}


def _forget_unless(top: str, code: Code) -> None:
    """A package that was imported before, from elsewhere or before it was edited, is imported anew."""
    if _imported.get(top, code) != code:
        for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
            del sys.modules[name]
    _imported[top] = code
    importlib.invalidate_caches()
