"""A float model before conversion, whatever it came from. TensorFlow: worker only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from orchestrator.builder.images import Array
from orchestrator.builder.preprocess import PREPROCESSINGS
from orchestrator.builder.recipe import Recipe
from orchestrator.builder.samples import EVALUATED, EVALUATION_SEED, Ports, Samples, noise, shapes
from orchestrator.errors import BuildError, UnsupportedOptimization

Batch = list[Array]
"""An array per input of the model, samples along the first axis."""

UNKNOWN = "seeded noise, since nothing is known of its inputs"
_IMAGE_RANK = 4


@dataclass(frozen=True, slots=True)
class Source:
    """A float model and what it takes."""

    freeze: Callable[[int], Any]  # batch size -> concrete function with constants for weights
    inputs: Callable[[int, int], Batch]  # (samples, seed) -> what the model takes
    inputs_source: str
    model: Any = None  # keras.Model; None where there is only a graph
    training: dict[str, Any] | None = None
    evaluation: Samples | None = None  # what training and calibration have not seen; None: what ``inputs`` gives
    evaluation_source: str = ""  # what that is, in words
    train_on: Callable[[], tuple[Batch, Array] | None] | None = None  # see ``train``
    calibrates: int | None = None  # samples that ``inputs`` has before it repeats itself; None: any number
    data_digest: str | None = None  # of what is evaluated, where that is the user's
    loss: str = "sparse_categorical_crossentropy"  # of training, as Keras calls it
    notes: list[str] = field(default_factory=list)
    ports: Ports | None = None  # what it takes and answers; None: those of the Keras model

    @property
    def train(self) -> tuple[Batch, Array] | None:
        """Inputs and targets to fine-tune on, none of which is evaluated. They are read when this is asked for."""
        return None if self.train_on is None else self.train_on()

    @property
    def held_out(self) -> tuple[Batch, Array] | None:
        """Labelled inputs that neither training nor calibration has seen."""
        held = self.evaluation
        return None if held is None or held.labels is None else (held.inputs, held.labels)


def on_noise(
    freeze: Callable[[int], Any], ports: Ports, recipe: Recipe, model: Any = None, words: str = UNKNOWN
) -> Source:
    """Calibrated and evaluated on seeded noise: images within -1 and 1, unless it is known how they are prepared."""
    mode = PREPROCESSINGS["tf" if recipe.preprocessing == "auto" else recipe.preprocessing]
    return Source(
        freeze,
        lambda samples, seed: noise(ports, samples, seed, mode).inputs,
        words,
        model,
        evaluation=noise(ports, EVALUATED, recipe.seed + EVALUATION_SEED, mode),
        evaluation_source=words,
        ports=ports,
    )


def freezing(model: Any, recipe: Recipe) -> Callable[[int], Any]:
    """How a Keras model is frozen, with the weights that it has when this is called."""
    return partial(_freeze_keras, model, recipe)


def _freeze_keras(model: Any, recipe: Recipe, batch_size: int) -> Any:
    specs = keras_specs(model, recipe, batch_size)
    return frozen(lambda *batch: model(batch[0] if len(batch) == 1 else list(batch), training=False), specs)


def keras_specs(model: Any, recipe: Recipe, batch_size: int = 1) -> list[Any]:
    """What the model takes; a single input is called ``input``, whatever Keras calls it."""
    given = [tf.TensorSpec(i.shape, i.dtype, name=i.name) for i in model.inputs]
    if len(given) == 1:
        given = [tf.TensorSpec(given[0].shape, given[0].dtype, name="input")]
    return static(given, recipe, batch_size)


def keras_ports(model: Any, recipe: Recipe) -> Ports:
    """Shapes of a batch of 1, or of the model's own batch."""
    given = [(spec.shape.as_list(), spec.dtype.as_numpy_dtype) for spec in keras_specs(model, recipe)]
    return Ports(shapes(given), tuple(model.outputs[0].shape))


def frozen(call: Callable[..., Any], specs: Sequence[Any]) -> Any:
    """One concrete function with constants for weights.

    Measured on MobileNetV2: converting this takes 1.4 s, ``from_keras_model`` 7 s (it exports a SavedModel first)
    for the same operators; a function that still has variables cannot be calibrated (READ_VARIABLE fails).
    """
    return convert_variables_to_constants_v2(tf.function(call).get_concrete_function(*specs))


def static(given: Sequence[Any], recipe: Recipe, batch_size: int) -> list[Any]:
    """The inputs with open dimensions filled in: the first by the batch size, height and width by the input size.

    Raises UnsupportedOptimization where a shape in the model contradicts them, BuildError where one stays open.
    """
    if recipe.input_size and not any(len(spec.shape) == _IMAGE_RANK for spec in given):
        raise UnsupportedOptimization(f"{recipe.name} cannot have an input_size: it takes no images")
    return [tf.TensorSpec(_filled(spec, recipe, batch_size), spec.dtype, name=spec.name) for spec in given]


def _filled(spec: Any, recipe: Recipe, batch_size: int) -> list[int]:
    if not spec.dtype.is_floating and not spec.dtype.is_integer and not spec.dtype.is_bool:
        raise BuildError(f"{recipe.name}: input {spec.name} is of type {spec.dtype.name}; numbers can be made up only")
    if spec.shape.rank in (None, 0):
        raise BuildError(f"{recipe.name}: input {spec.name} has no batch axis")
    batch, *rest = spec.shape.as_list()
    if batch not in (None, batch_size) and batch_size != 1:
        raise UnsupportedOptimization(f"{recipe.name} cannot have batch_size {batch_size}: its own is {batch}")
    size = recipe.input_size if len(rest) == _IMAGE_RANK - 1 else None
    if size and any(side not in (None, size) for side in rest[:2]):
        own = "x".join(str(side) for side in rest[:2])
        raise UnsupportedOptimization(f"{recipe.name} cannot have input_size {size}: its own is {own}")
    filled = [batch or batch_size, *(side or size for side in rest[:2]), *rest[2:]]
    if None in filled:
        raise BuildError(
            f"{recipe.name}: the shape of input {spec.name} is open: {spec.shape}",
            hint="input_size=PIXELS fills the height and width of images; build anything else with a fixed shape",
        )
    return filled
