"""The models of ``tf.keras.applications`` and the input size each was made for, known without TensorFlow."""

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
