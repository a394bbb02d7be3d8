"""Every shipped choice composes; every wrong value is refused with its key, its file and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from orchestrator import config
from orchestrator.errors import ConfigError
from tests.config.composing import jobs

GROUPS = ("device", "model", "optimization", "runtime", "scenario", "tracking")
CHOICES = [(group, path.stem) for group in GROUPS for path in sorted((config.conf_directory() / group).glob("*.yaml"))]


@pytest.fixture(autouse=True)
def no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LAB", "")  # set, so that what a test leaves there is undone


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_shipped_choice_composes(tmp_path: Path, group: str, choice: str) -> None:
    needed = {"file": ["model.path=/models/mine.tflite"], "factory": ["model.factory=nets:tiny"]}
    needed["tflite_external"] = ["runtime.library=/usr/lib/libvx_delegate.so"]
    (job,) = jobs(tmp_path, [f"{group}={choice}", *needed.get(choice, [])])
    part = getattr(job.cell.settings, group)
    if group == "runtime" and part.delegate is not None:  # called after the two of them
        assert part.name in ("auto", choice.partition("_")[0]) and "+" in job.cell.axes["runtime"]
    else:
        assert choice == (part.kind if group == "tracking" else part.name)


def test_the_catalogue_is_not_empty() -> None:
    found = {f"{group}={choice}" for group, choice in CHOICES}
    assert {"device=local", "device=pi4", "device=pi5", "device=jetson", "device=x86", "model=digits"} <= found


def test_a_cell_knows_its_axes_and_its_id(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, ["device=pi4", "optimization=int8", "threads=4", "scenario.window_s=5", "device.user=pi"])
    assert job.cell.id == "pi4/mobilenetv2/int8/auto/t4/b1/s224/quick/scenario.window_s=5"
    assert job.cell.axes["threads"] == "4"
    assert job.cell.directory.is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        (["runtime=litert"], "litert"),
        (["runtime=litert_gpu"], "litert+gpu"),
        (["runtime=litert", "runtime.delegate=gpu"], "litert+gpu"),
        (["runtime=litert", "runtime.xnnpack=off"], "litert+xnnpack-off"),
        (["runtime=tflite_external", "runtime.library=/opt/lib vx/libvx.so"], "auto+libvx.so"),
        (
            ["runtime=openvino", "+runtime.options.INFERENCE_PRECISION_HINT=bf16"],
            "openvino+INFERENCE_PRECISION_HINT=bf16",
        ),
        (["runtime=tensorrt", "+runtime.options.fp16=true", "+runtime.options.dla='0'"], "tensorrt+dla=0+fp16=True"),
        (["runtime=onnxruntime_openvino", "+runtime.options.cache_dir=/a/b"], "onnxruntime+openvino+cache_dir=_a_b"),
    ],
)
def test_configurations_of_one_runtime_are_told_apart(tmp_path: Path, overrides: list[str], label: str) -> None:
    (job,) = jobs(tmp_path, overrides)
    assert job.cell.axes["runtime"] == label
    assert job.cell.id.split("/")[3] == label
    assert not [word for word in job.cell.extras if "delegate" in word or "options" in word], "said once"


@pytest.mark.parametrize("path", ["/models/net_v3.tflite", "/models/net_v3", "/models/net_v3.keras"])
def test_a_file_model_is_called_by_its_stem(tmp_path: Path, path: str) -> None:
    (job,) = jobs(tmp_path, ["model=file", f"model.path={path}"])
    assert job.cell.axes["model"] == "net_v3"


def test_arguments_of_a_factory_are_plain_data(tmp_path: Path) -> None:
    arguments = ["+model.arguments.width=32", "+model.arguments={sizes: [1, 2], head: {bias: true}}"]
    (job,) = jobs(tmp_path, ["model=factory", "model.factory=a.b:c", *arguments])
    assert job.cell.settings.model.arguments == {"width": 32, "sizes": [1, 2], "head": {"bias": True}}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("threads=0", ["threads = 0", "command line", "1 to 256"]),
        ("runtime.xnnpack=maybe", ["runtime.xnnpack", "auto, require, off"]),
        ("device.port=99999", ["device.port", "1 to 65535"]),
        ("device.hosts=[]", ["device.hosts", "at least one entry"]),
        ("device.workdir=relative", ["device.workdir", "absolute path"]),
        ("device.cpus=[1,1]", ["device.cpus", "each once"]),
        ("device.cpus=[-1]", ["device.cpus", "from 0 to 4095"]),
        ("device.tune.governor=Performance", ["device.tune.governor", "small letters"]),
        ("device.tune.power_mode=../x", ["device.tune.power_mode", "letters, digits"]),
        ("device.tune.fan=101", ["device.tune.fan", "0 to 100"]),
        ("model=file", ["model.path", "file.yaml", "model.path=/models/mine.tflite"]),
        ("model.path=/x.tflite", ["model.path", "use model=file"]),
        ("model=factory", ["model.factory", "factory.yaml", "package.module:function"]),
        ("model.factory=nets:tiny", ["model.factory", "use model=factory"]),
        ("+model.arguments.a=1", ["model.arguments", "use model=factory"]),
        ("model.arguments={a: 1}", ["model.arguments", "added with '+': +model.arguments.a=VALUE"]),
        ("optimization.steps=[int8,prune]", ["optimization.steps", "int8 as the last step"]),
        (
            "optimization.steps=[int8,float16]",
            ["optimization.steps", "at most one of float16"],
        ),
        ("optimization.steps=[prune,prune_channels]", ["optimization.steps", "write [prune_channels,prune]"]),
        (
            "optimization.keep_float=[conv]",
            ["optimization.keep_float", "it belongs to int8"],
        ),
        ("optimization.sparse_encoding=true", ["optimization.sparse_encoding", "it belongs to prune"]),
        ("optimization.fine_tune_epochs=3", ["optimization.fine_tune_epochs", "it belongs to prune, prune_channels"]),
        ("optimization.steps=[prune,prune]", ["optimization.steps", "each once"]),
        ("optimization.steps=[distil]", ["optimization.steps", "steps of prune, prune_channels, cluster, float16"]),
        ("optimization.io=float", ["optimization.io", "nothing, since optimization.steps is []", "int8, int16x8"]),
        ("optimization.keep_float=[last]", ["optimization.keep_float", "nothing, since optimization.steps is []"]),
        (
            "optimization={steps: [float16], granularity: per_tensor}",
            ["optimization.granularity", "steps is [float16]"],
        ),
        ("optimization.sparse_encoding=true", ["optimization.sparse_encoding", "it belongs to prune"]),
        ("optimization={steps: [int8], keep_float: ['conv(']}", ["optimization.keep_float", "regular expressions"]),
        ("optimization.sparsity=1", ["optimization.sparsity", "0.01 to 0.99"]),
        ("model.application=null", ["model.application", "tf.keras.applications"]),
        ("scenario.processes=0", ["scenario.processes", "1 to 100"]),
        ("scenario.timeout_s=7", ["scenario.timeout_s", "more than the 22.5 s of its windows"]),
        ("scenario.streams=2", ["scenario.streams", "nothing, since scenario.mode is single_stream"]),
        ("scenario.extra_processes=98", ["scenario.extra_processes", "97 or fewer: 100 in all"]),
        ("scenario.mode=sustained", ["scenario.window_s", "20 or more"]),
        ("scenario.image=[640]", ["scenario.image", "[width, height], each 16 to 8192"]),
        ("scenario.image=[8,8]", ["scenario.image", "[width, height], each 16 to 8192"]),
        ("runtime.candidates=[magic]", ["runtime.candidates", "litert, tflite_runtime"]),
        ("thread=3", ["thread", "did you mean 'threads'?"]),
        ("device.portt=3", ["device.portt", "did you mean 'port'?", "identity_file"]),
        ("exclude={device: pi4}", ["exclude", "a list is expected", "[{device: pi4, threads: 4}]"]),
        ("model=digit", ["model/digit.yaml in", "did you mean 'digits'?", "mobilenetv2"]),
        ("threads=many", ["threads=many", "Integer"]),
        ("device=pi99", ["device/pi99", "pi4", "jetson"]),
        ("+device.power.colour=red", ["colour"]),
    ],
)
def test_a_wrong_value_is_explained(tmp_path: Path, override: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs(tmp_path, [override])
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["device=pi4", "device.cpus=[3,4]"], ["device.cpus", "from 0 to 3, since device.cores is 4"]),
        (["device.tune.jetson_clocks=true", "device.tune.cpu_mhz=1500"], ["device.tune.cpu_mhz", "jetson_clocks"]),
        (["runtime.delegate=external"], ["runtime.library", "the path on the board of the library"]),
        (["runtime.library=/usr/lib/libx.so"], ["runtime.library", "null, unless runtime.delegate is one of edgetpu"]),
        (["runtime.delegate=gpu", "runtime.xnnpack=require"], ["runtime.xnnpack", "the delegate gpu is required"]),
        (["runtime=openvino", "runtime.xnnpack=off"], ["runtime.xnnpack", "auto, since openvino has no XNNPACK"]),
        (["+runtime.options.fp16=true"], ["runtime.options", "openvino, tensorrt"]),
        (
            ["runtime=tensorrt", "runtime.install=push"],
            ["runtime.install", "system, since tensorrt is the board's own"],
        ),
        (["device.cool_to_c=50", "scenario.cool_down_s=200"], ["scenario.timeout_s", "600 s to cool down"]),
        (["scenario.timeout_s=40", "scenario.profile_runs=1"], ["scenario.timeout_s", "more than the 52.5 s"]),
    ],
)
def test_values_that_do_not_go_together(tmp_path: Path, overrides: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs(tmp_path, overrides)
    assert all(word in str(caught.value) for word in words)


def test_all_problems_of_all_cells_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs(tmp_path, ["threads=0"], ["batch_size=0", "seed=-1"])
    assert all(key in str(caught.value) for key in ("threads", "batch_size", "seed"))


def lab(folder: Path, text: str, name: str = "pi4") -> str:
    (folder / "device").mkdir(parents=True)
    (folder / "device" / f"{name}.yaml").write_text(text)
    return str(folder)


def test_a_lab_device_needs_only_name_and_hosts_and_wins(tmp_path: Path) -> None:
    config.take_lab(["--config-dir", lab(tmp_path / "lab", "name: pi4\nhosts: [pi@rack-1, pi@rack-2]\n")])
    (job,) = jobs(tmp_path, ["device=pi4"])
    device = job.cell.settings.device
    assert device.hosts == ["pi@rack-1", "pi@rack-2"]
    assert device.power.idle is None  # nothing of the shipped pi4.yaml is mixed in


def test_shipped_devices_stay_reachable_beside_a_lab(tmp_path: Path) -> None:
    config.take_lab([f"--config-dir={lab(tmp_path / 'lab', 'name: mine' + chr(10) + 'hosts: [x]', 'mine')}"])
    assert [job.cell.settings.device.name for job in jobs(tmp_path, ["device=pi5"], ["device=mine"])] == ["pi5", "mine"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: pi4\nhost: [x]\n", ["pi4.yaml: unknown key 'device.host'", "did you mean 'hosts'?"]),
        ("name: pi4\nhosts: [x]\nport: ssh\n", ["pi4.yaml", "device.port", "Integer"]),
        ("name: pi4\nhosts: [x]\nport: 0\n", ["pi4.yaml", "device.port = 0", "1 to 65535"]),
        ("name: pi4\nhosts: [x\n", ["pi4.yaml", "YAML"]),
        ("name: a b\nhosts: [x]\n", ["device.name", "letters, digits"]),
        ("name: pi4\n", ["hosts"]),
        (
            "name: pi4\nhosts: [x]\npower: {idle: {low_w: 3, high_w: 2}}\n",
            ["device.power.idle", "3-2 W", "low_w not above high_w"],
        ),
    ],
)
def test_a_wrong_lab_file_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    folder = lab(tmp_path / "lab", text)
    config.take_lab(["--config-dir", folder])
    with pytest.raises(ConfigError) as caught:
        jobs(tmp_path, ["device=pi4"])
    for word in words:
        assert word in str(caught.value)


def test_a_missing_lab_folder_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such configuration folder: /nowhere"):
        config.take_lab(["--config-dir", "/nowhere"])


def test_the_lab_flag_is_taken_out_of_the_arguments(tmp_path: Path) -> None:
    assert config.take_lab(["-m", "--config-dir", str(tmp_path), "device=pi4"]) == ["-m", "device=pi4"]


def test_a_job_writes_what_hydra_would_and_no_password(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, ["tracking.uri=https://me:s3cret@mlflow.lab/x", "threads=2"])
    job.save()
    written = list(job.cell.directory.rglob("*.yaml"))
    assert {path.name for path in written} == {"config.yaml", "hydra.yaml", "overrides.yaml"}
    assert not any("s3cret" in path.read_text() for path in written)
    assert "threads: 2" in (job.cell.directory / "config.yaml").read_text()


@pytest.mark.parametrize("secret", ["it''s s3cret", "1"])
def test_a_password_among_the_arguments_of_a_command_is_not_stored(tmp_path: Path, secret: str) -> None:
    """Nor is anything else blotted, however short it is."""
    command = f"[mosquitto_sub, -P, '{secret}', '{{board}}']"
    text = f"name: lab\nhosts: [lab-01]\nmeter: {{kind: command, scope: wall_ac, command: {command}}}"
    config.take_lab(["--config-dir", lab(tmp_path / "lab", text, "lab")])
    said = "device.meter.command=[mosquitto_sub,-P,s3cret]"
    for number, words in enumerate((["device=lab"], ["device=lab", said])):
        (job,) = jobs(tmp_path / str(number), [*words, "threads=1"])
        job.save()
        assert not any("s3cret" in path.read_text() for path in job.cell.directory.rglob("*.yaml"))
        stored = yaml.safe_load((job.cell.directory / "config.yaml").read_text())
        assert stored["device"]["meter"]["command"][:3] == ["mosquitto_sub", "-P", "***"]
        assert stored["threads"] == 1
