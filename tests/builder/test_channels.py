"""Structured pruning on real small networks: what is left computes what the whole did without those channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from orchestrator.builder.channels import thinned
from orchestrator.builder.channels.trace import traced
from orchestrator.errors import UnsupportedOptimization

L = keras.layers


def added() -> Any:
    given = keras.Input((8, 8, 3))
    x = L.Conv2D(16, 3, padding="same", name="stem")(given)
    x = L.ReLU()(L.BatchNormalization()(x))
    y = L.Conv2D(32, 1, name="expand")(x)
    y = L.DepthwiseConv2D(3, padding="same", name="depth")(L.ReLU(6.0)(y))
    y = L.Conv2D(16, 1, name="project")(L.BatchNormalization()(y))
    x = L.Add()([x, y])
    return keras.Model(given, L.Dense(4, activation="softmax", name="out")(L.GlobalAveragePooling2D()(x)))


def joined() -> Any:
    given = keras.Input((8, 8, 3))
    a = L.Conv2D(16, 3, padding="same", name="a")(given)
    b = L.SeparableConv2D(24, 3, padding="same", depth_multiplier=2, name="b")(a)
    c = L.Concatenate()([a, b])
    d = L.Conv2D(16, 3, strides=2, activation="relu", name="d")(c)
    return keras.Model(given, L.Dense(3, name="out")(L.Flatten()(L.MaxPooling2D()(d))))


def excited() -> Any:
    given = keras.Input((8, 8, 3))
    x = L.Activation("swish")(L.Conv2D(32, 3, name="stem")(given))
    s = L.Reshape((1, 1, 32))(L.GlobalAveragePooling2D()(x))
    s = L.Conv2D(16, 1, activation="swish", name="reduce")(s)
    s = L.Conv2D(32, 1, activation="sigmoid", name="widen")(s)
    x = L.Conv2D(16, 1, name="last")(L.Multiply()([x, s]))
    return keras.Model(given, L.Dense(3, name="out")(L.GlobalAveragePooling2D()(x)))


def in_a_row() -> Any:
    layers = [keras.Input((8, 8, 1)), L.Conv2D(16, 3, name="one"), L.PReLU(shared_axes=[1, 2])]
    layers += [L.Conv2D(32, 3, name="two"), L.Flatten(), L.Dense(24, name="three"), L.Dense(10, name="out")]
    return keras.Sequential(layers)


NETS: tuple[Callable[[], Any], ...] = (added, joined, excited, in_a_row)


def filled(make: Callable[[], Any], seed: int = 3) -> Any:
    keras.utils.set_random_seed(seed)
    model, rng = make(), np.random.default_rng(seed)
    for layer in model.layers:
        layer.set_weights([rng.uniform(0.2, 1.0, w.shape) * rng.choice([-1, 1], w.shape) for w in layer.get_weights()])
        if isinstance(layer, L.BatchNormalization):
            layer.set_weights([np.abs(w) for w in layer.get_weights()])
    return model


def silenced(model: Any, removed: dict[str, set[int]]) -> None:
    """Set everything that makes a channel to 0, so that it is 0 wherever it goes."""
    for name, gone in removed.items():
        layer, chosen = model.get_layer(name), sorted(gone)
        for variable in layer.weights:
            values = variable.numpy()
            if isinstance(layer, L.DepthwiseConv2D) and values.ndim > 1:
                values[:, :, chosen] = 0
            elif not (isinstance(layer, L.SeparableConv2D) and variable.name == "depthwise_kernel"):
                values[..., chosen] = 0
            variable.assign(values)


@pytest.mark.parametrize("make", NETS, ids=lambda make: make.__name__)
def test_what_is_left_computes_what_the_whole_did_without_them(make: Callable[[], Any]) -> None:
    """Channels that are 0 are the least important, so they go, and nothing changes."""
    model = filled(make)
    found = traced(model)
    removed: dict[str, set[int]] = {}
    for name, layer in found.layers.items():
        roots = found.atoms.roots(layer.outside)
        free = sorted({int(root) for root in roots if not found.atoms.is_pinned(root)})
        half = {root for root in free if root % 2}
        removed[name] = {i for i, root in enumerate(roots) if int(root) in half}
    silenced(model, removed)
    less = thinned(model, 0.5, 1, "it")
    images = np.random.default_rng(1).normal(0, 1, (4, *model.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(less.model(images), model(images), rtol=2e-4, atol=2e-5)
    assert less.model.count_params() < 0.6 * model.count_params()
    assert all(after == before / 2 for before, after in less.channels.values())
    assert "out" not in less.channels


def test_layers_that_an_addition_couples_lose_the_same_channels() -> None:
    less = thinned(filled(added), 0.5, 8, "it")
    assert less.channels == {"stem": (16, 8), "expand": (32, 16), "project": (16, 8)}
    assert less.model.output_shape == (None, 4)
    assert less.model.get_layer("depth").kernel.shape == (3, 3, 16, 1)


@pytest.mark.parametrize(
    ("share", "multiple", "left"), [(0.5, 8, 16), (0.3, 8, 24), (0.9, 8, 8), (0.9, 1, 3), (0.4, 16, 16)]
)
def test_what_is_left_is_a_multiple(share: float, multiple: int, left: int) -> None:
    assert thinned(filled(added), share, multiple, "it").channels["expand"] == (32, left)


def test_the_model_itself_stays_as_it_is() -> None:
    model = filled(added)
    before = [w.copy() for w in model.get_weights()]
    thinned(model, 0.5, 8, "it")
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_not_understood_keeps_its_channels() -> None:
    given = keras.Input((8, 8, 3))
    x = L.Conv2D(16, 3, name="before")(given)
    x = L.LayerNormalization()(x)  # every channel depends on all of them
    x = L.Conv2D(16, 3, name="after")(x)
    model = keras.Model(given, L.Dense(3)(L.GlobalAveragePooling2D()(x)))
    assert thinned(model, 0.5, 8, "it").channels == {"after": (16, 8)}


def test_a_layer_that_is_called_twice_keeps_its_channels() -> None:
    given = keras.Input((8, 8, 3))
    twice = L.Conv2D(16, 3, padding="same", name="twice")
    x = twice(L.Conv2D(16, 3, name="first")(given))
    model = keras.Model(given, L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(16, 1, name="free")(twice(x)))))
    assert thinned(model, 0.5, 8, "it").channels == {"free": (16, 8)}


def test_a_model_without_a_channel_to_lose_is_refused() -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(10, activation="softmax")])
    with pytest.raises(UnsupportedOptimization, match="it cannot lose channels"):
        thinned(model, 0.5, 8, "it")


@pytest.mark.parametrize(
    "name", ["MobileNet", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "ResNet50", "DenseNet121"]
)
def test_real_networks_get_smaller(name: str) -> None:
    model = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3))
    less = thinned(model, 0.5, 8, name)
    assert less.model.count_params() < 0.5 * model.count_params()
    assert less.model(np.zeros((1, 64, 64, 3), np.float32)).shape == (1, 1000)
