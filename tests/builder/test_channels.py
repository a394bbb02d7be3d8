"""Channels leave a network and it computes what it did before, as far as they had said nothing.

In each net every odd channel is silenced: its filters, bias and normalization are 0, so it is the least important one
and half of the channels can go without a trace, whatever couples them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from orchestrator.builder.activations import LOGIT_STD, make_realistic, samples_for
from orchestrator.builder.channels import copied, thinned
from orchestrator.builder.channels.thin import left, planned
from orchestrator.builder.images import photographic_noise
from orchestrator.errors import UnsupportedOptimization

pytestmark = pytest.mark.slow
L = keras.layers


def conv(filters: int, x: Any, size: int = 3, **rest: Any) -> Any:
    return L.Conv2D(filters, size, padding="same", **{"activation": "relu", **rest})(x)


def head(x: Any) -> Any:
    return L.Dense(3, name="head")(x)


def chain() -> Any:
    pooled = [L.BatchNormalization(), L.ReLU(), L.ZeroPadding2D(), L.MaxPooling2D(), L.GlobalAveragePooling2D()]
    layers = [L.Conv2D(8, 3, use_bias=False), *pooled, L.Dense(6, activation="relu"), L.Dropout(0.2)]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, L.Dense(3, name="head")])


def residual() -> Any:
    """Two additions in a row couple three layers; the shortcut is one of them."""
    given = keras.Input((8, 8, 3))
    x = conv(8, given)
    y = L.BatchNormalization()(conv(8, x))
    x = L.Add()([x, y])
    x = L.Add()([x, L.BatchNormalization()(conv(8, conv(16, x)))])
    return keras.Model(given, head(L.GlobalMaxPooling2D()(x)))


def dense_block() -> Any:
    """What is concatenated comes from layers that are cut each by itself."""
    given = keras.Input((8, 8, 3))
    x = conv(8, given)
    x = L.Concatenate()([x, conv(4, x)])
    x = L.Concatenate(axis=3)([x, conv(6, L.BatchNormalization()(x))])
    return keras.Model(given, head(L.GlobalAveragePooling2D()(L.BatchNormalization()(x))))


def crossed() -> Any:
    """A sum of a concatenation with one layer couples both parts with it, but not with each other."""
    given = keras.Input((8, 8, 3))
    both = L.Concatenate()([conv(8, given), conv(4, given)])
    return keras.Model(given, head(L.GlobalAveragePooling2D()(L.Add()([both, conv(12, given)]))))


def inverted() -> Any:
    """Depthwise, also with several per channel."""
    given = keras.Input((8, 8, 3))
    x = L.DepthwiseConv2D(3, padding="same", activation="relu")(conv(8, given))
    x = L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu6")(x)
    return keras.Model(given, head(L.GlobalAveragePooling2D()(conv(8, x, 1))))


def squeezed() -> Any:
    """Squeeze and excite as MobileNetV3 and EfficientNet do it, with bare operations too."""
    given = keras.Input((8, 8, 3))
    x = conv(8, given)
    gate = L.Reshape((1, 1, 8))(L.GlobalAveragePooling2D()(x))
    gate = conv(8, conv(4, gate, 1), 1, activation=None)
    x = L.Multiply()([x, L.ReLU(6.0)(gate + 3.0) * (1.0 / 6.0)])
    return keras.Model(given, head(L.GlobalAveragePooling2D()(x)))


def flattened() -> Any:
    layers = [L.Conv2D(4, 3, activation="relu"), L.Flatten(), L.Dense(8, activation="relu"), L.Reshape((1, 8))]
    return keras.Sequential([keras.Input((6, 6, 3)), *layers, L.Flatten(), L.Dense(3, name="head")])


def folded_rows() -> Any:
    """Pixels become rows of the same channels."""
    given = keras.Input((6, 6, 3))
    x = L.Reshape((36, 8))(conv(8, given))
    x = L.Dense(8, activation="relu")(L.Conv1D(8, 3, activation="relu")(x))
    return keras.Model(given, head(L.GlobalAveragePooling1D()(L.Permute((1, 2))(x))))


def separable() -> Any:
    given = keras.Input((8, 8, 3))
    x = L.SeparableConv2D(8, 3, activation="relu", depth_multiplier=2)(conv(4, given))
    x = L.Conv2DTranspose(8, 3, strides=2, activation="relu")(x)
    return keras.Model(given, head(L.GlobalAveragePooling2D()(L.PReLU(shared_axes=[1, 2])(x))))


def shared() -> Any:
    """One layer in two places: what comes in must be what goes out."""
    given, again = keras.Input((8, 8, 3)), L.Conv2D(8, 3, padding="same", activation="relu")
    norm = L.BatchNormalization()
    x = norm(again(norm(again(conv(8, given)))))
    return keras.Model(given, head(L.GlobalAveragePooling2D()(x)))


def nested() -> Any:
    """A backbone in a model of its own, called twice, and a Sequential behind it, whose input keeps its shape."""
    inner = keras.Input((8, 8, 3))
    backbone = keras.Model(inner, L.BatchNormalization(name="stays_too")(conv(8, conv(4, inner), name="stays")))
    tail = keras.Sequential([L.GlobalAveragePooling2D(), L.Dense(4, activation="relu")])
    given = keras.Input((8, 8, 3))
    x = L.Add()([backbone(given), backbone(L.ZeroPadding2D(1)(L.Cropping2D(1)(given)))])
    return keras.Model(given, head(tail(x)))


def volumes() -> Any:
    """In one dimension and in three."""
    given, solid = keras.Input((12, 3)), keras.Input((5, 5, 5, 2))
    x = L.DepthwiseConv1D(3)(L.Conv1D(8, 3, activation="relu")(L.ZeroPadding1D(1)(given)))
    x = L.SeparableConv1D(4, 3, activation="relu")(L.AveragePooling1D(2)(x))
    y = L.Conv3D(6, 2, activation="relu")(L.Conv3D(4, 2, activation="relu")(solid))
    parts = [L.GlobalAveragePooling1D()(x), L.GlobalMaxPooling3D()(y)]
    return keras.Model([given, solid], head(L.Concatenate()(parts)))


NETS = [chain, residual, dense_block, crossed, inverted, squeezed, flattened, folded_rows, separable, shared, nested]
STAY = ("head", "stays", "stays_too")


def silence(model: Any) -> None:
    """Every odd channel of every layer but the head says 0; all other weights are random."""
    rng = np.random.default_rng(0)
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.Model) or not layer.weights:
            continue
        values = [rng.uniform(0.2, 1, w.shape).astype(np.float32) * rng.choice([-1, 1], w.shape) for w in layer.weights]
        if isinstance(layer, L.BatchNormalization):
            values[3] = np.abs(values[3])
        layer.set_weights(values)
        if layer.name not in STAY:
            for weight in layer.weights:
                odd(layer, weight, weight.numpy())


def odd(layer: Any, weight: Any, value: Any) -> None:
    if "depthwise" in weight.name or isinstance(layer, L.DepthwiseConv1D | L.DepthwiseConv2D):
        if value.ndim > 1:
            value[..., 1::2, :] = 0
        else:
            value.reshape(-1, layer.depth_multiplier)[1::2] = 0
    elif isinstance(layer, L.Conv2DTranspose) and value.ndim > 1:
        value[..., 1::2, :] = 0
    elif weight.name != "moving_variance":
        value[..., 1::2] = 0
    weight.assign(value)


def inputs(model: Any) -> list[Any]:
    rng = np.random.default_rng(1)
    return [rng.uniform(-1, 1, (4, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]


def answers(model: Any, given: list[Any]) -> Any:
    return np.asarray(model(given[0] if len(given) == 1 else given, training=False))


def same(found: Any, wanted: Any) -> None:
    """But for the order of sums."""
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("net", [*NETS, volumes], ids=lambda net: str(net.__name__))
def test_without_the_silent_half_it_answers_as_before(net: Callable[[], Any]) -> None:
    model = net()
    silence(model)
    given, weights = inputs(model), model.get_weights()
    before = answers(model, given)
    less = thinned(model, 0.5, 1, "it")
    assert np.ptp(before, axis=0).max() > 0.01 * np.abs(before).max() > 0  # it does depend on its inputs
    same(answers(less.model, given), before)
    assert set(less.channels) == {layer.name for layer in making(model)}
    assert all(after == before / 2 for before, after in less.channels.values())
    assert less.model.count_params() < 0.7 * model.count_params()
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)  # the one that was given is as it was


def making(model: Any) -> list[Any]:
    every = model._flatten_layers(include_self=False)
    both = [layer for layer in every if isinstance(layer, L.SeparableConv1D | L.SeparableConv2D)]
    kernels = [layer for layer in every if hasattr(layer, "kernel") and not depthwise(layer)]
    return both + [layer for layer in kernels if layer.name not in STAY]


def depthwise(layer: Any) -> bool:
    return isinstance(layer, L.DepthwiseConv1D | L.DepthwiseConv2D)


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_a_real_network_answers_as_if_nobody_had_listened_to_what_went(name: str) -> None:
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10)
    make_realistic(model, [photographic_noise(samples_for(model), 64, 64, 3, 0) / 127.5 - 1], LOGIT_STD)
    less, plan = thinned(model, 0.5, 8, name), planned(model, 0.5, 8, name)
    for cut in plan.walk.cuts.values():
        if cut.own is not None:  # it makes channels out of others
            kernel = cut.layer.weights[0]
            ((into, atoms),) = ((axis, a) for axis, a in cut.axes[id(kernel)].items() if a is not cut.own)
            values = np.moveaxis(kernel.numpy(), into, 0)
            values[~plan.keep(atoms)] = 0
            kernel.assign(np.moveaxis(values, 0, into))
    given = inputs(model)
    same(answers(less.model, given), answers(model, given))
    assert less.model.count_params() < 0.5 * model.count_params()


@keras.saving.register_keras_serializable("tests")
class Reversed(L.Layer):  # type: ignore[misc]
    """Nobody knows what it does with channels."""

    def call(self, x: Any) -> Any:
        return x[..., ::-1]


class Doubling(L.Conv2D):  # type: ignore[misc]
    """Looks like a convolution and is none."""

    def call(self, x: Any) -> Any:
        return super().call(x) * keras.ops.arange(1.0, 9.0)


@pytest.mark.parametrize(
    "strange",
    [
        Reversed(),
        Doubling(8, 3),
        L.Conv2D(8, 3, groups=2),
        L.Activation("softmax"),
        L.LayerNormalization(),
        L.GroupNormalization(2),
        L.Permute((3, 1, 2)),
        L.Reshape((64, 2, 4)),
        L.BatchNormalization(axis=1),
        L.Rescaling([1.0, 2.0] * 4),
        L.TimeDistributed(L.Conv1D(8, 1)),
    ],
    ids=lambda layer: layer.name,
)
def test_what_is_not_understood_keeps_its_channels(strange: Any) -> None:
    given = keras.Input((8, 8, 3))
    x = L.GlobalAveragePooling2D()(strange(conv(8, conv(8, given))))
    model = keras.Model(given, head(L.Dense(8, activation="relu")(x)))
    less = thinned(model, 0.5, 1, "it")
    first, last = model.layers[1].name, model.layers[-2].name
    assert less.channels == {first: (8, 4), last: (8, 4)}
    assert less.model.layers[2].filters == 8
    assert np.isfinite(answers(less.model, inputs(model))).all()


def together(x: Any) -> Any:
    return x / keras.ops.sum(x * x, axis=-1, keepdims=True)


@pytest.mark.parametrize("activation", [together, "softmax"])
def test_a_layer_whose_activation_is_not_of_each_channel_by_itself_keeps_what_it_makes(activation: Any) -> None:
    layers = [L.Dense(8), L.Dense(8, activation=activation), L.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    less = thinned(model, 0.5, 1, "it")
    assert less.channels == {layers[0].name: (8, 4)}
    assert less.model.layers[1].activation is model.layers[1].activation


def test_arrays_in_the_graph_and_single_channels_that_are_spread_stay() -> None:
    given = keras.Input((8, 8, 3))
    x = conv(8, given) * np.arange(8, dtype=np.float32)
    attention = conv(1, x)
    y = conv(8, x)
    model = keras.Model(given, head(L.GlobalAveragePooling2D()(L.Multiply()([y, attention]))))
    silence(model)
    less = thinned(model, 0.5, 1, "it")
    assert list(less.channels.values()) == [(8, 4)]
    same(answers(less.model, inputs(model)), answers(model, inputs(model)))


def test_a_layer_that_meets_channels_that_stay_in_one_of_its_calls_keeps_them_in_the_other() -> None:
    given = keras.Input((8, 8, 8))
    again = L.Conv2D(8, 3, padding="same")
    x = L.Add()([again(given), again(conv(8, given))])
    model = keras.Model(given, head(L.GlobalAveragePooling2D()(x)))
    less = thinned(model, 0.5, 1, "it")
    assert less.channels == {again.name: (8, 4)}  # the one before its second call makes what its first call takes
    assert less.model.get_layer(again.name).kernel.shape == (3, 3, 8, 4)


def test_a_layer_that_is_understood_in_one_of_its_calls_only_keeps_its_shape() -> None:
    """The second call would make rows of different channels."""
    given, again = keras.Input((2, 3)), L.Reshape((2, 4))
    parts = [again(L.Conv1D(4, 1)(given)), again(L.Dense(8)(L.Flatten()(given)))]
    model = keras.Model(given, head(L.GlobalAveragePooling1D()(L.Conv1D(6, 1)(L.Concatenate()(parts)))))
    less = thinned(model, 0.5, 1, "it")
    assert list(less.channels.values()) == [(6, 3)]


def test_the_largest_filters_stay_in_their_order() -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(6, use_bias=False), L.Dense(2)])
    kernel = np.diag([1.0, 5.0, 2.0, 6.0])[:, [0, 1, 2, 3, 1, 0]].astype(np.float32)
    model.layers[0].set_weights([kernel])
    less = thinned(model, 0.5, 1, "it")
    np.testing.assert_array_equal(less.model.layers[0].kernel.numpy(), kernel[:, [1, 3, 4]])
    np.testing.assert_array_equal(less.model.layers[1].kernel.numpy(), model.layers[1].kernel.numpy()[[1, 3, 4]])


def test_all_that_makes_a_channel_counts() -> None:
    given = keras.Input((4,))
    parts = [L.Dense(4, use_bias=False)(given) for _ in range(2)]
    model = keras.Model(given, L.Dense(2)(L.Add()(parts)))
    for layer, scale in zip(model.layers[1:3], ([4, 3, 2, 1], [1, 1, 1, 9]), strict=True):
        layer.set_weights([np.diag(scale).astype(np.float32)])
    less = thinned(model, 0.5, 1, "it")
    np.testing.assert_array_equal(less.model.layers[1].kernel.numpy(), np.diag([4, 3, 2, 1])[:, [0, 3]])


@pytest.mark.parametrize(
    ("count", "share", "multiple", "stay"),
    [(64, 0.5, 8, 32), (24, 0.5, 8, 16), (24, 0.6, 8, 8), (8, 0.95, 8, 8), (4, 0.5, 8, 4), (10, 0.5, 1, 5)],
)
def test_what_is_left_is_a_multiple(count: int, share: float, multiple: int, stay: int) -> None:
    assert left(count, share, multiple) == stay


def test_a_copy_is_the_same_and_is_none() -> None:
    model = nested()
    silence(model)
    twin = copied(model, "it")
    given = inputs(model)
    np.testing.assert_array_equal(answers(twin, given), answers(model, given))
    assert [layer.name for layer in twin.layers[1:]] == [layer.name for layer in model.layers[1:]]
    twin.set_weights([0 * weight for weight in twin.get_weights()])
    assert np.abs(answers(model, given)).max() > 0


class OwnCall(keras.Model):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return -super().call(x)


class NoConfig(L.Layer):  # type: ignore[misc]
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def call(self, x: Any) -> Any:
        return x * self.scale


def test_what_cannot_lose_channels() -> None:
    single = keras.Sequential([keras.Input((4,)), L.Dense(64)])
    with pytest.raises(UnsupportedOptimization, match="it cannot lose channels"):
        thinned(single, 0.5, 8, "it")
    narrow = keras.Sequential([keras.Input((4,)), L.Dense(8), L.Dense(2)])
    with pytest.raises(UnsupportedOptimization, match=r"no more than optimization\.channel_multiple=8"):
        thinned(narrow, 0.5, 8, "it")
    given = keras.Input((4,))
    with pytest.raises(UnsupportedOptimization, match="OwnCall has a call of its own"):
        thinned(OwnCall(given, L.Dense(2)(L.Dense(64)(given))), 0.5, 8, "it")
    with pytest.raises(UnsupportedOptimization, match="layer no_config cannot be made anew"):
        thinned(keras.Model(given, L.Dense(2)(L.Dense(64)(NoConfig(2.0)(given)))), 0.5, 8, "it")
