"""What stands behind each number on the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from orchestrator.compare import compare
from orchestrator.measurement import Measurement
from orchestrator.report import View
from orchestrator.report.columns import sheet
from orchestrator.report.page import page
from orchestrator.result import Result
from orchestrator.verdict import Verdict
from tests.measurement.records import make_energy_pass, make_measurement, make_record, make_result, make_sweep

STEPS = {"decode": 9.0, "resize": 4.0, "normalize": 2.0, "set": 0.5, "invoke": 19.0, "get": 0.5, "postprocess": 1.0}


def behind(at: Path, *measured: Measurement) -> list[str]:
    """The page's part of each cell."""
    results: list[Result] = []
    for number, measurement in enumerate(measured):
        made = make_result(at, number, optimization=f"o{number}")
        results.append(replace(made, measurement=measurement, warnings=("the <clock> jumped",)))
    comparison = compare(make_sweep(at), results, "o0")
    text = page(comparison, sheet(comparison), View())
    parts = re.findall(
        r'<details class="one" id="cell-sweep-1-\d">.*?</details>(?=<details class="one"|</details>)', text, re.DOTALL
    )
    assert [f'href="#{id}"' in text for id in re.findall(r'id="(cell-[^"]+)"', text)] == [True] * len(parts)
    return parts


def rows(part: str) -> dict[str, str]:
    """Label and text of every number."""
    found = re.findall(r"<tr[^>]*><th>(.*?)</th><td>(.*?)</td></tr>", part)
    return {re.sub("<.*?>", "", head): re.sub("<.*?>", "", text) for head, text in found}


def test_reasons_and_what_nobody_could_look_at(tmp_path: Path) -> None:
    doubted = replace(make_measurement(), verdict=Verdict("suspect", ("it <b>drifted</b>", "hot"), ("cv", "drift")))
    (part,) = behind(tmp_path, doubted)
    assert "<li>it &lt;b&gt;drifted&lt;/b&gt;</li><li>hot</li><li>the &lt;clock&gt; jumped</li>" in part
    assert "not checked, since not known: cv, drift" in part


def test_numbers_with_their_units_and_intervals(tmp_path: Path) -> None:
    measurement = make_measurement(energy=make_energy_pass())
    plain, metered = (rows(part) for part in behind(tmp_path, make_measurement(), measurement))
    interval = measurement.uncertainty["latency/median_ms"]
    assert metered["median"].startswith("41.") and f"ms {interval.low:.2f} to {interval.high:.2f}" in metered["median"]
    assert metered["temperature max"].endswith(" °C") and metered["governor"] == "ondemand"
    assert metered["runs"].isdecimal() and metered["delegate share"] == "100 %"
    assert "median low" not in metered
    assert metered["energy-delay product"].endswith(" mJ·ms") and metered["per 1000 inferences"].endswith(" J")
    assert "per inference low" in plain and "per inference low" not in metered, "an estimate, where nothing measured it"
    estimated = behind(tmp_path, make_measurement())[0]
    assert "Energy, estimated" in estimated and "Energy, measured" not in estimated
    absent = estimated.partition('<details class="absent note"><summary>not there: ')[2]
    assert re.match(r"\d+ metrics</summary>", absent) and "no RAPL: energy/per_inference_mj, " in absent


def test_the_medians_of_the_processes_are_seen(tmp_path: Path) -> None:
    several, one = behind(tmp_path, make_measurement(processes=6), make_measurement(processes=1))
    assert several.count("<circle") == 6 and several.count("<rect") == 1
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', several)]
    assert min(places) >= 8 and max(places) <= 352 and len(set(places)) == 6
    assert "<circle" not in one and "how far processes differ is not known" in one


def test_what_streams_take_is_no_latency(tmp_path: Path) -> None:
    base = make_measurement(processes=3)
    offline = replace(base, tags=base.tags | {"scenario.mode": "offline"}, process_medians_ms=(10.0, 12.0, 11.0))
    (part,) = behind(tmp_path, replace(offline, metrics=offline.metrics | {"sustained/degradation": 0.125}))
    assert "<figcaption>time per call of all streams, 3 processes, 10.00 to 12.00 ms</figcaption>" in part
    assert part.count("<circle") == 3 and "<rect" not in part and "<line" not in part
    assert rows(part)["degradation"] == "12.5 %"


def test_a_pipeline_is_a_stacked_bar(tmp_path: Path) -> None:
    base = make_measurement()
    metrics = base.metrics | {f"pipeline/{step}_ms": ms for step, ms in STEPS.items()} | {"pipeline/total_ms": 36.0}
    metrics["pipeline/invoke_share"] = 0.528
    without, part = behind(tmp_path, base, replace(base, metrics=metrics))
    widths = [float(x) for x in re.findall(r'class="p\d" style="width:([\d.]+)%"', part)]
    assert len(widths) == 7 and abs(sum(widths) - 100) < 0.1 and widths[4] > 50
    assert "invoke 19.0 ms" in part and "in all 36.0 ms, 53 % of it the model" in part
    assert "Pipeline" not in without


def test_operators_come_from_the_record(tmp_path: Path) -> None:
    base = make_measurement()
    tagged = replace(base, tags=base.tags | {"profile.tool": "onnxruntime"})
    record = make_record()
    record["profile"] = {
        "tool": "onnxruntime",
        "runs": 10,
        "operators": [{"type": "Conv", "provider": "CPU", "count": 3, "total_ns": 10**7}],
    }
    record["profile_reason"] = None
    without, gone = behind(tmp_path, base, tagged)
    assert "Operators" not in without and "cannot be read" not in without
    assert "Operators" not in gone or "No profile" in gone  # its record has none
    (tmp_path / "own" / "0").mkdir(parents=True)
    result = replace(make_result(tmp_path / "own", 0), measurement=tagged)
    (tmp_path / "own" / "0" / "record.json").write_text(json.dumps(record))
    comparison = compare(make_sweep(tmp_path / "own"), [result])
    text = page(comparison, sheet(comparison), View())
    assert "<td>Conv</td><td>CPU</td>" in text
    (tmp_path / "own" / "0" / "record.json").unlink()
    assert "which cannot be read from here" in page(comparison, sheet(comparison), View())
