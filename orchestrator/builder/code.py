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

LAB_VARIABLE = "ORCHESTRATOR_LAB"  # set by --config-dir as well


@dataclass(frozen=True, slots=True)
class Code:
    """Where a module comes from, and the digest of the top-level package (or the one file) that it is in."""

    root: str  # the entry of sys.path
    sha256: str


def locate(factory: str) -> Code:
    """Find the module of ``package.module:function`` in the working directory, the lab's folder, or on sys.path.

    Raises ConfigError where there is none.
    """
    module = factory.partition(":")[0]
    for root in _roots():
        source = _source(module, root)
        if source is not None:
            try:
                return Code(root, digest(source, "*.py"))
            except OSError as error:
                raise ConfigError(f"model.factory: cannot read {source}: {error.strerror or error}") from error
    raise ConfigError(
        f"model.factory={factory}: there is no module {module}",
        hint=f"it is looked for in {', '.join(_roots()[:2])} and among what is installed",
    )


def load(factory: str, code: Code) -> Callable[..., Any]:
    """Import the module and take the function. Worker only: this executes the user's code.

    Raises BuildError naming the factory where that fails.
    """
    module, _, name = factory.partition(":")
    top = module.partition(".")[0]
    if _imported.get(top) not in (None, code):  # another one, or changed since
        for known in [m for m in sys.modules if m == top or m.startswith(f"{top}.")]:
            del sys.modules[known]
    _imported[top] = code
    if code.root not in sys.path:
        sys.path.insert(0, code.root)
    importlib.invalidate_caches()
    try:
        found = getattr(importlib.import_module(module), name)
    except AttributeError as error:
        raise BuildError(f"model.factory={factory}: module {module} has no {name}") from error
    except Exception as error:
        raise BuildError(f"model.factory={factory} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise BuildError(f"model.factory={factory} is no function but {type(found).__name__}")
    return found  # type: ignore[no-any-return]


_imported: dict[str, Code] = {}


def _roots() -> list[str]:
    lab = os.environ.get(LAB_VARIABLE)
    first = [str(Path.cwd()), *([str(Path(lab).expanduser().resolve())] if lab else [])]
    return list(dict.fromkeys([*first, *(entry for entry in sys.path if entry)]))


def _source(module: str, root: str) -> Path | None:
    """The module's own file, or the folder of its top-level package; None where the dotted name does not lead there."""
    *packages, leaf = module.split(".")
    folder = Path(root, *packages)
    is_package = (folder / leaf / "__init__.py").is_file()
    if not is_package and not (folder / f"{leaf}.py").is_file():
        return None
    if packages or is_package:
        return Path(root, module.partition(".")[0])
    return folder / f"{leaf}.py"
