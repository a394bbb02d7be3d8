"""Checks composed settings against the limits written beside their types, and against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

from orchestrator.cell import RUNTIMES, Model, Runtime, Scenario, Settings
from orchestrator.config import meters, steps, switches
from orchestrator.config.problem import Problem
from orchestrator.device import LONGEST_HOLD, Board, Device, PowerProfile, PowerRange
from orchestrator.limits import NAME, Between, Limit, Matching, NameOrNames, NotEmpty, OneOf
from remote.contract import MAX_PROCESSES, SCOPES, SYSTEM_ONLY, WITH_LIBRARY, WITH_XNNPACK
from remote.runtimes import LONGEST_PROFILE_S

LIMITS = (Between, Matching, NameOrNames, NotEmpty, OneOf)
IMAGE_SIDES = (16, 8192)  # pixels, as the contract takes them
LEAST_SUSTAINED_S = 20.0
WITH_OPTIONS = ("openvino", "tensorrt")
"""Runtimes that have options without a delegate."""
HIGHEST_CPU = 4095
BY_HOST = (
    "device.tags",
    "device.powers",
    "device.calibrations",
    "device.meter.addresses",
    "device.meter.channels",
)
"""Keys that speak of single hosts."""
FILES = ".keras, .h5, .tflite or .onnx file or of a SavedModel's folder"


def problems(settings: Settings) -> list[Problem]:
    """Everything that is wrong with ``settings``, in the order of the fields."""
    return [*out_of_limits(settings), *cross_field(settings)]


def out_of_limits(node: Any, prefix: str = "") -> Iterator[Problem]:
    """Values outside the limits annotated on their fields, recursively."""
    hints = get_type_hints(type(node), include_extras=True)
    for field in dataclasses.fields(node):
        key, value = f"{prefix}{field.name}", getattr(node, field.name)
        for name, part in nested(key, value):
            yield from out_of_limits(part, f"{name}.")
        if value is not None and not dataclasses.is_dataclass(value):
            yield from (
                Problem(key, value, limit.allowed) for limit in limits(hints[field.name]) if not limit.admits(value)
            )


def nested(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The dataclasses in a value, by their dotted keys: itself, or what a mapping or list holds."""
    if isinstance(value, dict):
        parts = [(f"{key}.{name}", part) for name, part in value.items()]
    elif isinstance(value, list):
        parts = [(f"{key}.{number}", part) for number, part in enumerate(value)]
    else:
        parts = [(key, value)]
    return ((name, part) for name, part in parts if dataclasses.is_dataclass(part))


def limits(hint: Any) -> list[Limit]:
    """The limits inside ``Annotated[T, ...]``."""
    if get_origin(hint) is None or not hasattr(hint, "__metadata__"):
        return []
    return [extra for extra in get_args(hint)[1:] if isinstance(extra, LIMITS)]


def cross_field(s: Settings) -> Iterator[Problem]:
    """Values that are fine alone and wrong together."""
    runtime, device = s.runtime, s.device
    yield from source(s.model)
    yield from steps.wrong(s.optimization)
    unknown = [name for name in runtime.candidates if name not in RUNTIMES]
    if unknown or not runtime.candidates:
        yield Problem("runtime.candidates", runtime.candidates, f"one or more of {', '.join(RUNTIMES)}")
    yield from delegated(runtime)
    yield from inventory(device)
    yield from durations(s)
    yield from tuned(device)
    yield from power("device.power", device.power)
    yield from calibrated(device)
    yield from meters.wrong(device)
    yield from switches.wrong(device)


def delegated(runtime: Runtime) -> Iterator[Problem]:
    """What belongs to a delegate is there with it, and not without it."""
    delegate, library = runtime.delegate, runtime.library
    if delegate == "external" and not library:
        yield Problem("runtime.library", library, "the path on the board of the library, since delegate is external")
    if library and delegate not in WITH_LIBRARY:
        yield Problem("runtime.library", library, f"null, unless runtime.delegate is one of {', '.join(WITH_LIBRARY)}")
    if delegate is not None and runtime.xnnpack == "require":
        yield Problem("runtime.xnnpack", runtime.xnnpack, f"auto or off, since the delegate {delegate} is required")
    if runtime.xnnpack != "auto" and not set(runtime.names) & set(WITH_XNNPACK):
        yield Problem("runtime.xnnpack", runtime.xnnpack, f"auto, since {runtime.name} has no XNNPACK")
    if runtime.options and delegate is None and not set(runtime.names) & set(WITH_OPTIONS):
        allowed = f"empty, unless there is a delegate or the runtime is one of {', '.join(WITH_OPTIONS)}"
        yield Problem("runtime.options", runtime.options, allowed)
    if runtime.environment is not None and (runtime.install != "push" or len(runtime.names) != 1):
        allowed = "null, unless runtime is a single one whose wheels are pushed (runtime=litert, not auto)"
        yield Problem("runtime.environment", runtime.environment, allowed)
    if runtime.name in SYSTEM_ONLY and runtime.install == "push":
        yield Problem("runtime.install", runtime.install, f"system, since {runtime.name} is the board's own")


def inventory(device: Device) -> Iterator[Problem]:
    """What a device says about its boards."""
    if len(set(device.hosts)) != len(device.hosts):
        yield Problem("device.hosts", device.hosts, "each host once")
    if not device.workdir.startswith(("/", "~/")):
        yield Problem("device.workdir", device.workdir, "an absolute path, or one that begins with ~/")
    if wide := [board.hold for board in device.boards if len(board.hold) > LONGEST_HOLD]:
        yield Problem("device.hold", wide[0], f"at most {LONGEST_HOLD} characters with the host in it")
    if strangers := [host for host in device.tags if host != "*" and host not in device.hosts]:
        yield Problem(
            "device.tags", strangers, f"hosts as device.hosts spells them ({', '.join(device.hosts)}), or '*'"
        )
    words = [word for tags in (*device.tags.values(), device.where) for word in tags]
    if wrong := [word for word in words if not NAME.admits(word)]:
        yield Problem("device.tags, device.where", wrong, f"words: {NAME.allowed}")
    if not device.boards:
        has = "; ".join(f"{host}: {' '.join(Board(device, host).tags) or 'none'}" for host in device.hosts)
        yield Problem("device.where", device.where, f"tags that some board of {device.name} has together ({has})")
    if bad := [size for size in device.memory_mb if size <= 0]:
        yield Problem("device.memory_mb", bad, "sizes above 0")


def tuned(device: Device) -> Iterator[Problem]:
    """CPUs that there are, each once; settings that do not contradict each other."""
    cpus, cores = device.cpus, device.cores
    if len(set(cpus)) < len(cpus) or any(cpu < 0 or cpu > HIGHEST_CPU for cpu in cpus):
        yield Problem("device.cpus", cpus, f"numbers of CPUs from 0 to {HIGHEST_CPU}, each once")
    elif cores is not None and any(cpu >= cores for cpu in cpus):
        yield Problem("device.cpus", cpus, f"numbers from 0 to {cores - 1}, since device.cores is {cores}")
    if device.tune.jetson_clocks and device.tune.cpu_mhz is not None:
        yield Problem("device.tune.cpu_mhz", device.tune.cpu_mhz, "null, since jetson_clocks sets the clocks")


def source(model: Model) -> Iterator[Problem]:
    """Each kind needs its own key, and a key of another kind would do nothing."""
    if model.kind == "keras_application" and not model.application:
        yield Problem("model.application", None, "the name of a class of tf.keras.applications, e.g. MobileNetV2")
    if model.kind == "file" and not model.path:
        yield Problem("model.path", model.path, f"the path of a {FILES}: model.path=/models/mine.tflite")
    if model.kind == "factory" and not is_factory(model.factory):
        yield Problem("model.factory", model.factory, "package.module:function, a function that returns a keras.Model")
    if model.kind != "file" and model.path:
        yield Problem("model.path", model.path, f"nothing, since model.kind is {model.kind}; use model=file")
    for key, value in (("model.factory", model.factory), ("model.arguments", model.arguments)):
        if model.kind != "factory" and value:
            yield Problem(key, value, f"nothing, since model.kind is {model.kind}; use model=factory")
    if model.kind == "digits" and model.weights != "trained":
        yield Problem("model.weights", model.weights, "trained (the digits model is always trained)")


def is_factory(text: str | None) -> bool:
    """Dotted module, a colon, a name."""
    module, colon, function = (text or "").partition(":")
    return bool(colon) and function.isidentifier() and all(word.isidentifier() for word in module.split("."))


def durations(s: Settings) -> Iterator[Problem]:
    """Enough time for the windows and for cooling down, and no key that would do nothing."""
    scenario, least_s, gates_s = s.scenario, shortest(s.scenario), cooling(s)
    if scenario.timeout_s < least_s + gates_s:
        cool = f" and {gates_s:g} s to cool down (device.cool_to_c)" if gates_s else ""
        yield Problem("scenario.timeout_s", scenario.timeout_s, f"more than the {least_s:g} s of its windows{cool}")
    if scenario.mode == "sustained" and scenario.window_s < LEAST_SUSTAINED_S:
        yield Problem("scenario.window_s", scenario.window_s, f"{LEAST_SUSTAINED_S:g} or more: burst is its first 10 s")
    if scenario.processes + scenario.extra_processes > MAX_PROCESSES:
        most = MAX_PROCESSES - scenario.processes
        yield Problem("scenario.extra_processes", scenario.extra_processes, f"{most} or fewer: {MAX_PROCESSES} in all")
    if scenario.streams is not None and scenario.mode != "offline":
        yield Problem("scenario.streams", scenario.streams, f"nothing, since scenario.mode is {scenario.mode}")
    least, most = IMAGE_SIDES
    if len(scenario.image) != 2 or not all(least <= side <= most for side in scenario.image):
        yield Problem("scenario.image", scenario.image, f"[width, height], each {least} to {most}")


def shortest(scenario: Scenario) -> float:
    """Seconds that the windows of a cell take, those of more processes and the longest profile included."""
    each_s = scenario.warmup_s + scenario.window_s + scenario.end_to_end_s + scenario.pipeline_s
    energy_s = scenario.warmup_s + 2 * scenario.idle_s + scenario.energy_windows * scenario.energy_s
    energy_s = energy_s if scenario.energy_s else 0.0
    profile_s = LONGEST_PROFILE_S if scenario.profile_runs else 0.0
    return (scenario.processes + scenario.extra_processes) * each_s + energy_s + profile_s


def cooling(s: Settings) -> float:
    """Seconds that the gates of a cell may take at most."""
    processes = s.scenario.processes + s.scenario.extra_processes
    return processes * s.scenario.cool_down_s if s.device.cool_to_c is not None else 0.0


def power(key: str, profile: PowerProfile) -> Iterator[Problem]:
    """A range runs upward, and a board does not idle above its load."""
    for name, watts in (("idle", profile.idle), ("load", profile.load)):
        if watts and watts.low_w > watts.high_w:
            yield Problem(f"{key}.{name}", text(watts), "low_w not above high_w")
    if profile.idle and profile.load and profile.idle.low_w > profile.load.high_w:
        yield Problem(key, f"idle {text(profile.idle)}, load {text(profile.load)}", "idle below load")


def calibrated(device: Device) -> Iterator[Problem]:
    """What is said of single boards and sensors is of boards that there are, and of scopes that there are."""
    hosts = f"hosts as device.hosts spells them ({', '.join(device.hosts)})"
    if strangers := [host for host in device.powers if host not in device.hosts]:
        yield Problem("device.powers", strangers, f"{hosts}; device.power is for all others")
    for host, profile in device.powers.items():
        yield from power(f"device.powers.{host}", profile)
    if strangers := [one.host for one in device.calibrations if one.host not in ("*", *device.hosts)]:
        yield Problem("device.calibrations", strangers, f"{hosts}, or '*'")
    lines = [(one.host, one.reader) for one in device.calibrations]
    if twice := sorted({f"{host}: {reader}" for host, reader in lines if lines.count((host, reader)) > 1}):
        yield Problem("device.calibrations", twice, "one line for each host and reader")
    if unknown := {glob: scope for glob, scope in device.sensor_scopes.items() if scope not in SCOPES}:
        yield Problem("device.sensor_scopes", unknown, f"for each glob one of {', '.join(SCOPES)}")


def text(watts: PowerRange) -> str:
    """A range as people write it."""
    return f"{watts.low_w:g}-{watts.high_w:g} W"
