"""A user's own data: folders of images and arrays, real and small; what is wrong with them is said by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from orchestrator.builder import data, pictures
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.samples import Ports, shapes
from orchestrator.cell import Model
from orchestrator.errors import BuildError, ConfigError
from orchestrator.optimization import Optimization

CLASSES = ("ant", "bee", "cat")
IMAGE = Ports(shapes([((1, 8, 8, 3), np.float32)]), (1, 3))
VECTOR = Ports(shapes([((1, 5), np.float32)]), (1, 3))


def folder_in(root: Path, names: tuple[str, ...] = CLASSES, each: int = 4, size: tuple[int, int] = (20, 12)) -> Path:
    """PNGs whose first pixel tells the class and the number."""
    root.mkdir()
    for number, name in enumerate(names):
        (root / name).mkdir()
        for index in range(each):
            pixels = np.full((size[1], size[0], 3), (40 * number, 10 * index, 200), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index:02}.png")
    return root


def arrays_in(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def split(at: Path, ports: Ports = IMAGE, *, seed: int = 0, preprocessing: str = "unit", **model: Any) -> data.Split:
    """Of a factory's model, of which nothing but its ports is known."""
    made = Model("m", "digits", data=str(at), preprocessing=preprocessing, **model)
    return data.split(Recipe.of(made, Optimization("none"), seed=seed), ports)


def colours(values: np.ndarray[Any, Any]) -> set[tuple[int, ...]]:
    return {tuple(pixels) for pixels in np.rint(values[:, 0, 0] * 255).astype(int).tolist()}


def test_a_folder_is_divided_into_parts_that_share_nothing(tmp_path: Path) -> None:
    folder = folder_in(tmp_path / "photos")
    first, again, other = split(folder), split(folder), split(folder, seed=1)
    evaluated, rest = first.evaluation, first.data.take(first.rest)
    assert (len(evaluated), len(rest)) == (6, 6)
    assert not colours(evaluated.inputs[0]) & colours(rest.inputs[0])
    assert len(colours(evaluated.inputs[0]) | colours(rest.inputs[0])) == 12
    np.testing.assert_array_equal(evaluated.stored[0], again.evaluation.stored[0])
    assert colours(evaluated.inputs[0]) != colours(other.evaluation.inputs[0])


def test_labels_stay_with_their_images(tmp_path: Path) -> None:
    found = split(folder_in(tmp_path / "photos"))
    assert found.evaluation.labels is not None
    np.testing.assert_array_equal(found.evaluation.stored[0][:, 0, 0, 0] // 40, found.evaluation.labels)
    learnt = found.train()
    assert learnt is not None
    inputs, labels = learnt
    np.testing.assert_array_equal(np.rint(inputs[0][:, 0, 0, 0] * 255) // 40, labels)
    assert len(labels) == 6


def test_few_are_evaluated_and_calibration_takes_each_of_the_others_once(tmp_path: Path) -> None:
    found = split(folder_in(tmp_path / "photos"), evaluation_samples=2)
    assert (len(found.evaluation), len(found.rest)) == (2, 10)
    seen = [tuple(found.inputs(1, 1_000_003 + number)[0][0, 0, 0].tolist()) for number in range(10)]
    assert len(set(seen)) == 10
    pairs = [tuple(row) for number in range(5) for row in found.inputs(2, number)[0][:, 0, 0].tolist()]
    assert set(pairs) == set(seen)
    assert found.inputs(1, 1_000_003 + 10)[0][0, 0, 0].tolist() == list(seen[0]), "then from the beginning"
    assert found.rest_source == (
        "10 images of the folder photos that are not evaluated, the short side resized to 256/224 of the input "
        "(Pillow's bilinear) and the centre cut out, preprocessing unit"
    )


def test_images_are_stored_as_bytes_that_mean_the_very_inputs(tmp_path: Path) -> None:
    folder = folder_in(tmp_path / "photos")
    found = split(folder, preprocessing="caffe").evaluation
    assert found.stored[0].dtype == np.uint8
    np.testing.assert_allclose(found.inputs[0][..., 0], 200 - 103.939, atol=1e-4)  # blue comes first
    channels_first = Ports(shapes([((1, 3, 8, 8), np.float32)]), (1, 3))
    turned = split(folder, channels_first, preprocessing="torch").evaluation
    np.testing.assert_allclose(
        turned.inputs[0], np.moveaxis(split(folder, preprocessing="torch").evaluation.inputs[0], -1, 1), atol=1e-6
    )


@pytest.mark.parametrize(("size", "first", "last"), [((40, 20), 11.7, 27.3), ((20, 40), 0.6, 16.2), ((8, 8), 0, 7)])
def test_the_centre_is_cut_out_after_the_short_side_was_resized(
    tmp_path: Path, size: tuple[int, int], first: float, last: float
) -> None:
    """A ramp from left to right tells which columns were seen: the short side of 20 became 9, and 8 of it are left. An
    image of the model's size stays as it is."""
    width, height = size
    path, step = tmp_path / "ramp.png", 240 / (width - 1)
    Image.fromarray(np.broadcast_to(step * np.arange(width)[None, :, None], (height, width, 3)).astype(np.uint8)).save(
        path
    )
    found = pictures.decoded(path, 8, 8, 3)
    assert found.shape == (8, 8, 3)
    assert found[4, [0, -1], 0] == pytest.approx(np.array([first, last]) * step, abs=step)


def test_a_photograph_of_any_kind_becomes_what_the_model_takes(tmp_path: Path) -> None:
    grey, see_through = tmp_path / "grey.jpg", tmp_path / "clear.png"
    Image.new("L", (30, 30), 100).save(grey)
    Image.new("RGBA", (30, 30), (10, 20, 30, 40)).save(see_through)
    assert pictures.decoded(grey, 8, 8, 3)[0, 0].tolist() == [100, 100, 100]
    assert pictures.decoded(see_through, 8, 8, 3)[0, 0].tolist() == [10, 20, 30]
    assert pictures.decoded(see_through, 8, 8, 1).shape == (8, 8, 1)


@pytest.mark.parametrize(
    ("names", "listed", "classes"),
    [
        (("bee", "ant", "cat"), "bee\nant tiny\ncat\n", {"bee": 0, "ant": 1, "cat": 2}),
        (("bee", "cat"), "ant\nbee\ncat\n", {"bee": 1, "cat": 2}),
        (("2", "0", "1"), None, {"0": 0, "1": 1, "2": 2}),
        (("002", "001"), None, {"001": 1, "002": 2}),
        (("b", "a", "c"), None, {"a": 0, "b": 1, "c": 2}),
    ],
)
def test_which_folder_is_which_class(
    tmp_path: Path, names: tuple[str, ...], listed: str | None, classes: dict[str, int]
) -> None:
    folder = folder_in(tmp_path / "photos", names)
    if listed:
        (folder / "classes.txt").write_text(listed)
    found = split(folder)
    red = {40 * names.index(name): number for name, number in classes.items()}
    assert found.evaluation.labels is not None
    assert [red[int(r)] for r in found.evaluation.stored[0][:, 0, 0, 0]] == found.evaluation.labels.tolist()


@pytest.mark.parametrize(
    ("names", "listed", "reason"),
    [
        (("a", "b"), None, "photos has 2 subfolders, and the model tells 3 classes apart: which is which is not clear"),
        (("0", "3"), None, "subfolder 3 is class 3, and the model has 3, from 0"),
        (("a", "b"), "a\n", r"classes\.txt does not name the subfolder b"),
        (("a",), "x\ny\nz\na\n", "subfolder a is class 3, and the model has 3, from 0"),
    ],
)
def test_classes_that_do_not_fit_the_model(
    tmp_path: Path, names: tuple[str, ...], listed: str | None, reason: str
) -> None:
    folder = folder_in(tmp_path / "photos", names)
    if listed:
        (folder / "classes.txt").write_text(listed)
    with pytest.raises(BuildError, match=reason):
        split(folder)


def test_folders_that_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    with pytest.raises(BuildError, match=r"flat has no subfolder") as caught:
        split(tmp_path / "flat")
    assert "a subfolder of .jpg or .png files per class" in str(caught.value.hint)
    (tmp_path / "flat" / "a").mkdir()
    with pytest.raises(BuildError, match=r"flat holds no \.jpg or \.png in its subfolders"):
        split(tmp_path / "flat")
    with pytest.raises(BuildError, match=r"cannot read model\.data=.*absent: No such file"):
        split(tmp_path / "absent")
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(BuildError, match=r"photos\.zip is neither a folder nor a \.npz"):
        split(tmp_path / "photos.zip")
    with pytest.raises(BuildError, match="single holds 1 samples"):
        split(folder_in(tmp_path / "single", ("0",), each=1))
    with pytest.raises(BuildError, match=r"is a folder of images, and digits takes \[1, 5\]: no image"):
        split(folder_in(tmp_path / "photos"), VECTOR)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    folder = folder_in(tmp_path / "photos")
    for name in CLASSES:  # whichever part it is in
        (folder / name / "00.png").write_bytes((folder / name / "00.png").read_bytes()[:40])
    with pytest.raises(BuildError, match=r"00\.png is no image that can be read"):
        found = split(folder)
        found.inputs(6, 0)


def test_data_that_changed_after_planning_are_refused(tmp_path: Path) -> None:
    folder = folder_in(tmp_path / "photos")
    model = Model("m", "digits", data=str(folder))
    planned = Recipe.of(model, Optimization("none"))
    Image.new("RGB", (9, 9)).save(folder / "ant" / "new.png")
    with pytest.raises(BuildError, match=r"photos changed after the plan was made"):
        data.split(planned, IMAGE)
    assert Recipe.of(model, Optimization("none")).key != planned.key
    folder.rename(tmp_path / "moved")
    moved = Model("m", "digits", data=str(tmp_path / "moved"))
    assert Recipe.of(moved, Optimization("none")).key == Recipe.of(moved, Optimization("none"), seed=0).key
    assert Recipe.of(moved, Optimization("none")).data_sha256 != planned.data_sha256


def test_where_data_lie_is_no_part_of_the_key(tmp_path: Path) -> None:
    one, other = (folder_in(tmp_path / name) for name in ("one", "other"))
    keys = {Recipe.of(Model("m", "digits", data=str(at)), Optimization("none")).key for at in (one, other)}
    assert len(keys) == 1 and keys != {Recipe.of(Model("m", "digits"), Optimization("none")).key}


def test_of_anybodys_model_somebody_has_to_say_how_images_are_prepared(tmp_path: Path) -> None:
    (tmp_path / "mine.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    model = Model("mine", "file", path=str(tmp_path / "mine.tflite"), data=str(folder_in(tmp_path / "photos")))
    with pytest.raises(ConfigError, match="model 'mine' does not say how it was trained on images") as caught:
        Recipe.of(model, Optimization("none"))
    assert "model.preprocessing" in str(caught.value.hint)
    model.preprocessing = "unit"
    assert Recipe.of(model, Optimization("none")).preprocessing == "unit"


def test_arrays_are_taken_as_they_are(tmp_path: Path) -> None:
    x, y = np.arange(50, dtype=np.float32).reshape(10, 5), np.arange(10) % 3
    found = split(arrays_in(tmp_path / "own.npz", x=x, y=y), VECTOR)
    assert (found.evaluation.affine, len(found.evaluation), len(found.rest)) == (None, 5, 5)
    assert found.evaluation.labels is not None
    rows = (found.evaluation.inputs[0][:, 0] / 5).astype(int)
    np.testing.assert_array_equal(rows % 3, found.evaluation.labels)
    unlabelled = split(arrays_in(tmp_path / "more.npz", x=x.astype(np.float64)), VECTOR)
    assert (unlabelled.evaluation.labels, unlabelled.train()) == (None, None)
    assert unlabelled.evaluation.inputs[0].dtype == np.float32


def test_bytes_of_arrays_are_prepared_like_images(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    found = split(arrays_in(tmp_path / "own.npz", x=x), preprocessing="tf")
    assert found.evaluation.stored[0].dtype == np.uint8
    assert -1 <= found.evaluation.inputs[0].min() < -0.9 and 0.9 < found.evaluation.inputs[0].max() <= 1


def test_several_inputs_and_whole_numbers(tmp_path: Path) -> None:
    ports = Ports(shapes([((1, 4), np.float32), ((1, 2), np.int32)]), (1, 3))
    path = arrays_in(tmp_path / "two.npz", x_0=np.ones((4, 4)), x_1=np.full((4, 2), 3))
    found = split(path, ports).evaluation.inputs
    assert [(values.shape, values.dtype.name) for values in found] == [((2, 4), "float32"), ((2, 2), "int32")]
    with pytest.raises(BuildError, match=r"two\.npz holds x_0, x_1, and digits needs x"):
        split(path, VECTOR)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"z": np.ones((4, 5))}, "holds z, and digits needs x"),
        ({"x": np.ones((4, 6))}, r"x has the shape \[4, 6\], and the model takes \[1, 5\]"),
        ({"x": np.full((4, 5), np.nan)}, "x holds values that are not finite"),
        ({"x": np.array([["a"] * 5] * 4)}, "x is of type <U1, not numbers"),
        ({"x": np.ones((4, 5)), "y": np.zeros(3, int)}, r"its arrays are of different lengths: \[3, 4\]"),
        ({"x": np.ones((4, 5)), "y": np.array([0, 1, 2, 3])}, "y holds class 3, and the model has 3, from 0"),
        ({"x": np.ones((4, 5)), "y": np.eye(4)}, r"y is of type float64 and shape \[4, 4\], not a class per sample"),
    ],
)
def test_arrays_that_do_not_fit_the_model(tmp_path: Path, arrays: dict[str, Any], reason: str) -> None:
    with pytest.raises(BuildError, match=reason):
        split(arrays_in(tmp_path / "own.npz", **arrays), VECTOR)


def test_a_file_that_is_no_archive_of_arrays(tmp_path: Path) -> None:
    (tmp_path / "own.npz").write_bytes(b"PK\3\4 half of it")
    with pytest.raises(BuildError, match=r"own\.npz cannot be read"):
        split(tmp_path / "own.npz", VECTOR)
    np.savez(tmp_path / "pickled.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BuildError, match=r"pickled\.npz cannot be read: Object arrays"):
        split(tmp_path / "pickled.npz", VECTOR)


def test_a_reconstruction_learns_from_what_is_no_anomaly(tmp_path: Path) -> None:
    x, y = np.arange(50, dtype=np.float32).reshape(10, 5), np.array([0, 1] * 5)
    ports = Ports(VECTOR.inputs, (1, 5))
    found = split(arrays_in(tmp_path / "own.npz", x=x, y=y), ports, task="reconstruction")
    learnt = found.train()
    assert learnt is not None
    inputs, targets = learnt
    np.testing.assert_array_equal(inputs[0], targets)
    assert set((targets[:, 0] / 5).astype(int) % 2) == {0}
    assert found.evaluation.labels is not None and set(found.evaluation.labels) == {0, 1}
    with pytest.raises(BuildError, match=r"with model\.task=reconstruction a label is 0, or 1 for an anomaly"):
        split(arrays_in(tmp_path / "more.npz", x=x, y=np.arange(10)), ports, task="reconstruction")
    with pytest.raises(BuildError, match="which is which is not clear"):
        split(folder_in(tmp_path / "photos", ("good", "strange")), task="reconstruction")


def test_pixels_as_numbers_are_refused(tmp_path: Path) -> None:
    """They would be taken as they are, and the accuracy be that of nonsense."""
    x = np.random.default_rng(0).uniform(0, 255, (6, 8, 8, 3)).astype(np.float32)
    with pytest.raises(ConfigError, match=r"x reaches from .* to 25.*, and preprocessing tf of .* gives -1 to 1") as no:
        split(arrays_in(tmp_path / "own.npz", x=x), preprocessing="tf")
    assert "uint8" in str(no.value.hint)
    assert split(arrays_in(tmp_path / "ready.npz", x=x / 127.5 - 1), preprocessing="tf").evaluation.affine is None


def test_a_picture_of_more_than_8_bits_is_refused(tmp_path: Path) -> None:
    root = folder_in(tmp_path / "photos")
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(root / "ant" / "deep.png")
    with pytest.raises(BuildError, match=r"deep\.png has more than 8 bits per channel"):
        pictures.decoded(root / "ant" / "deep.png", 8, 8, 3)


def test_which_data_are_evaluated_is_told_by_their_content(tmp_path: Path) -> None:
    x = np.zeros((6, 8, 8, 3), np.uint8)
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    one = arrays_in(tmp_path / "a" / "val.npz", x=x)
    other = arrays_in(tmp_path / "b" / "val.npz", x=x + 1)
    assert split(one).digest == split(one, preprocessing="tf").digest
    assert len({split(one).digest, split(other).digest, split(one, seed=1).digest}) == 3
