"""What a user's own model file is, by its name and first bytes; nothing of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.builder.digests import digest
from orchestrator.errors import BuildError

SAVED_MODEL = "saved_model.pb"
_FORMS = {".tflite": "tflite", ".keras": "keras", ".h5": "keras", ".onnx": "onnx"}
_FIRST_BYTES = {
    ".tflite": (4, b"TFL3", "a TFLite model"),  # flatbuffer file identifier
    ".keras": (0, b"PK\3\4", "a Keras archive"),  # zip
    ".h5": (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file or folder that is there and looks like what it is called."""

    path: Path  # absolute
    form: str  # tflite | keras | onnx | saved_model
    sha256: str  # of the content; of a folder: of names and contents


def identify(path: str) -> ModelFile:
    """Raises BuildError naming the path of what is missing, unreadable, or something else than its name says."""
    absolute = Path(path).expanduser().absolute()
    try:
        form = _form(absolute)
        return ModelFile(absolute, form, digest(absolute))
    except OSError as error:
        raise BuildError(f"cannot read model file {absolute}: {error.strerror or error}") from error


def _form(path: Path) -> str:
    if path.is_dir():
        if not (path / SAVED_MODEL).is_file():
            raise BuildError(f"{path} is a folder without {SAVED_MODEL}: no SavedModel")
        return "saved_model"
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(16)
    if suffix not in _FORMS:
        raise BuildError(
            f"{path} is no model file that is known here",
            hint=f"model.path is a SavedModel's folder, or a file that ends in {', '.join(_FORMS)}",
        )
    start, expected, what = _FIRST_BYTES.get(suffix, (0, b"", ""))
    if head[start : start + len(expected)] != expected:
        raise BuildError(f"{path} is not {what}: it does not begin like one")
    return _FORMS[suffix]
