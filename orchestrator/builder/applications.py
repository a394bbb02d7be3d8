"""The models of ``tf.keras.applications``, as far as they are known without TensorFlow."""

from __future__ import annotations

_BY_SIZE: dict[int, tuple[str, ...]] = {
    224: (
        "ConvNeXtBase",
        "ConvNeXtLarge",
        "ConvNeXtSmall",
        "ConvNeXtTiny",
        "ConvNeXtXLarge",
        "DenseNet121",
        "DenseNet169",
        "DenseNet201",
        "EfficientNetB0",
        "EfficientNetV2B0",
        "MobileNet",
        "MobileNetV2",
        "MobileNetV3Large",
        "MobileNetV3Small",
        "NASNetMobile",
        "ResNet50",
        "ResNet50V2",
        "ResNet101",
        "ResNet101V2",
        "ResNet152",
        "ResNet152V2",
        "VGG16",
        "VGG19",
    ),
    240: ("EfficientNetB1", "EfficientNetV2B1"),
    260: ("EfficientNetB2", "EfficientNetV2B2"),
    299: ("InceptionResNetV2", "InceptionV3", "Xception"),
    300: ("EfficientNetB3", "EfficientNetV2B3"),
    331: ("NASNetLarge",),
    380: ("EfficientNetB4",),
    384: ("EfficientNetV2S",),
    456: ("EfficientNetB5",),
    480: ("EfficientNetV2L", "EfficientNetV2M"),
    528: ("EfficientNetB6",),
    600: ("EfficientNetB7",),
}

APPLICATIONS: dict[str, int] = {name: size for size, names in _BY_SIZE.items() for name in names}
"""Name -> native input size in pixels of a side."""

WIDTHS: dict[str, tuple[float, ...]] = {
    "MobileNet": (0.25, 0.5, 0.75, 1.0),
    "MobileNetV2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    "MobileNetV3Large": (0.75, 1.0),
    "MobileNetV3Small": (0.75, 1.0),
}
"""Those with a width multiplier (``alpha``, 1.0 of their own) -> the ones that Keras has ImageNet weights for."""

_MODES = {
    "tf": ("MobileNet", "MobileNetV2", "Inception", "Xception", "NASNet", "ResNet50V2", "ResNet101V2", "ResNet152V2"),
    "torch": ("DenseNet",),
    "caffe": ("ResNet50", "ResNet101", "ResNet152", "VGG"),
    "none": ("EfficientNet", "MobileNetV3", "ConvNeXt"),
}


def preprocessing_of(application: str) -> str:
    """How its authors prepared images; none where layers of the model do that."""
    fits = [(len(start), mode) for mode, starts in _MODES.items() for start in starts if application.startswith(start)]
    return max(fits)[1]  # the longest name: MobileNetV3 begins like MobileNet
