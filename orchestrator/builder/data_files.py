"""A user's own data, as far as it is known without reading it: a folder of images by class, or a ``.npz``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.builder.digests import digest
from orchestrator.errors import BuildError

IMAGES = (".jpg", ".jpeg", ".png")
CLASSES = "classes.txt"
ARRAYS = ".npz"
_WAY_OUT = "model.data is a folder with a subfolder of .jpg or .png files per class, or a .npz with x (and y)"


def identify(path: str) -> tuple[str, str]:
    """Absolute path, and the digest of the content. Raises BuildError where it is neither."""
    absolute = Path(path).expanduser().absolute()
    try:
        if absolute.is_dir():
            if not any(class_folders(absolute)):
                raise BuildError(f"model.data={absolute} has no subfolder", hint=_WAY_OUT)
        elif absolute.suffix.lower() != ARRAYS and absolute.exists():
            raise BuildError(f"model.data={absolute} is neither a folder nor a {ARRAYS}", hint=_WAY_OUT)
        return str(absolute), digest(absolute)
    except OSError as error:
        raise BuildError(f"cannot read model.data={absolute}: {error.strerror or error}", hint=_WAY_OUT) from error


def class_folders(folder: Path) -> list[Path]:
    """In the order of their names; hidden ones are none."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def images_in(folder: Path) -> Iterator[Path]:
    """The files that are images by their names, in order."""
    yield from sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES and path.is_file())


def class_of(folders: list[Path], root: Path, classes: int | None) -> dict[str, int]:
    """The class of each subfolder: its line in ``classes.txt``, its number, or its place among as many as there are.

    ``classes``: how many the model tells apart; None: not known. Raises BuildError where none of that is given.
    """
    names = [folder.name for folder in folders]
    if (root / CLASSES).is_file():
        found = _listed(names, root / CLASSES)
    elif all(name.isdecimal() for name in names):
        found = {name: int(name) for name in names}
    elif classes == len(names):
        found = {name: number for number, name in enumerate(names)}
    else:
        told = "is not a row of scores" if classes is None else f"tells {classes} classes apart"
        raise BuildError(
            f"model.data={root} has {len(names)} subfolders, and the model {told}: which is which is not clear",
            hint=f"write {CLASSES} into it, a subfolder's name per line in the order of the classes; or call the "
            "subfolders by their class, from 0",
        )
    beyond = [name for name, number in found.items() if classes is not None and number >= classes]
    if beyond:
        raise BuildError(
            f"model.data={root}: subfolder {beyond[0]} is class {found[beyond[0]]}, and the model has {classes}, from 0"
        )
    return found


def _listed(names: list[str], path: Path) -> dict[str, int]:
    """A line is a subfolder's name, and may go on with what it means: ``n01440764 tench``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"{path} cannot be read: {error}") from error
    whole = {line.strip(): number for number, line in enumerate(lines) if line.strip()}
    first = {line.split()[0]: number for line, number in whole.items()}
    missing = [name for name in names if name not in whole and name not in first]
    if missing:
        raise BuildError(f"{path} does not name the subfolder {missing[0]}", hint="a name per line, class 0 first")
    return {name: whole.get(name, first.get(name, 0)) for name in names}
