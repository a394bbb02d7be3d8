"""What proves a delegate, on lists of nodes as the runtimes give them."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import pytest

from remote.contract_runtime import _DELEGATE as checked
from remote.runtimes import delegation
from remote.runtimes.delegation import (
    DelegateNotEngaged,
    DelegateNotOff,
    of_external,
    of_operations,
    of_providers,
    prove,
    whole,
)
from remote.runtimes.tflite import operations

SAID = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
CONV, FLEX, SOFTMAX = ("CONV_2D", [0, 1], [2]), ("FlexErf", [2], [3]), ("SOFTMAX", [3], [4])
MODEL = [CONV, FLEX, SOFTMAX]
CPU = "CPUExecutionProvider"


def shown(delegate: dict[str, Any]) -> tuple[Any, ...]:
    checked({**delegate, "requested": "auto"}, "delegate")
    held = {where["provider"]: where["nodes"] for where in delegate["placement"]}
    return delegate["state"], delegate["name"], delegate["partitions"], delegate["delegated_nodes"], held


def test_partitions_of_two_delegates_are_told_apart() -> None:
    taken = [*MODEL, ("DELEGATE", [0, 1], [2]), ("DELEGATE", [2], [3])]
    held = {"XNNPACK": 1, "Flex": 1, "built-in kernels": 1}
    assert shown(of_operations(taken, SAID)) == ("engaged", "XNNPACK", 1, 1, held)


def test_flex_alone_is_no_answer_to_xnnpack() -> None:
    found = of_operations([*MODEL, ("DELEGATE", [2], [3])], SAID)  # XNNPACK was made, and took nothing
    assert shown(found) == ("absent", None, 0, 0, {"Flex": 1, "built-in kernels": 2})
    prove({**found, "requested": "off"})
    with pytest.raises(DelegateNotEngaged, match="no operation of this model was taken by XNNPACK"):
        prove({**found, "requested": "require"})


@pytest.mark.parametrize("said", [None, "", "INFO: Created TensorFlow Lite delegate for NNAPI.\n"])
def test_a_delegate_that_nothing_names_is_unproven(said: str | None) -> None:
    found = of_operations([*MODEL, ("DELEGATE", [0, 1], [2])], said)
    assert shown(found)[:4] == ("unproven", None, 1, 1)
    assert "does not say which one" in found["reason"]
    prove({**found, "requested": "auto"})
    for requested, error in (("require", DelegateNotEngaged), ("off", DelegateNotOff)):
        with pytest.raises(error):
            prove({**found, "requested": requested})


def test_a_partition_without_nodes_proves_nothing() -> None:
    found = of_operations([*MODEL, ("DELEGATE", [9], [10])], SAID)
    assert shown(found) == ("unproven", None, 1, None, {})


def test_a_runtime_that_does_not_list_its_operations_is_unproven() -> None:
    found = operations(object(), SAID)
    assert shown(found) == ("unproven", None, None, None, {})
    prove({**found, "requested": "off"})  # nothing speaks against it, and the record says unproven
    with pytest.raises(DelegateNotEngaged):
        prove({**found, "requested": "require"})


def test_a_named_delegate_is_required_and_named_in_the_message() -> None:
    alone, both = [*MODEL, ("DELEGATE", [2], [3])], [*MODEL, ("DELEGATE", [2], [3]), ("DELEGATE", [0, 1], [2])]
    plain = [("CONV_2D", [0, 1], [2]), ("ADD", [2], [3]), ("SOFTMAX", [3], [4])]
    alone, both = [*plain, *alone[3:]], [*plain, *both[3:]]
    found = of_external(alone, both, "libx.so", "")
    assert shown(found) == ("engaged", "libx.so", 1, 1, {"libx.so": 1, "XNNPACK": 1, "built-in kernels": 1})
    prove({**found, "requested": "external"})
    nothing = of_external(plain, [*plain, ("DELEGATE", [0, 1], [4])], "libx.so", None)
    assert shown(nothing) == ("absent", None, 0, 0, {"XNNPACK": 3})
    with pytest.raises(DelegateNotEngaged, match=r"delegate external was required, but it is absent: libx\.so took no"):
        prove({**nothing, "requested": "external"})


def test_where_xnnpack_came_first_nothing_is_proven() -> None:
    taken = [*MODEL, ("DELEGATE", [0, 1], [2])]
    found = of_external(taken, taken, "libx.so", SAID)
    assert shown(found) == ("unproven", None, None, None, {})
    with pytest.raises(DelegateNotEngaged, match=r"XNNPACK was applied before libx\.so could be looked at"):
        prove({**found, "requested": "external"})
    assert shown(of_external([*MODEL, ("DELEGATE", [9], [10])], taken, "libx.so", None))[0] == "unproven"


def test_a_model_that_is_held_as_a_whole() -> None:
    assert shown(whole("LiteRT GPU", "GPU", 5)) == ("engaged", "LiteRT GPU", 1, 5, {"GPU": 5})


@pytest.mark.parametrize(
    ("wanted", "registered", "assigned", "expected", "reason"),
    [
        (None, [CPU], [(CPU, 1)] * 3, ("absent", None, 0, 0, {CPU: 3}), "beside the CPU's"),
        (None, [CPU], None, ("absent", None, None, None, {CPU: None}), "only provider"),
        (None, ["X", CPU], None, ("unproven", None, None, None, {}), "does not tell"),
        ("X", ["X", CPU], None, ("unproven", None, None, None, {}), "does not tell"),
        ("X", [CPU], None, ("absent", None, None, None, {}), "the session has only CPU"),
        ("X", [CPU], [(CPU, 3)], ("absent", None, 0, 0, {CPU: 3}), "the session has only CPU"),
        ("X", ["X", CPU], [(CPU, 3)], ("absent", None, 0, 0, {CPU: 3}), "X took no node"),
        ("X", ["X", CPU], [("X", 4), (CPU, 1), ("X", 2)], ("engaged", "X", 2, 6, {"X": 6, CPU: 1}), None),
    ],
)
def test_execution_providers(wanted: Any, registered: Any, assigned: Any, expected: Any, reason: str | None) -> None:
    found = of_providers(wanted, registered, assigned)
    assert shown(found) == expected
    assert (reason is None and found["reason"] is None) or reason in found["reason"]


def test_what_native_code_logs_is_read_back() -> None:
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as log:
            os.dup2(log.fileno(), 2)
            os.write(2, b"before\n")
            size = delegation.log_size()
            os.write(2, SAID.encode())
            assert delegation.logged_since(size) == SAID
            reading, writing = os.pipe()
            os.dup2(writing, 2)
            assert delegation.logged_since(delegation.log_size()) is None
            os.close(reading), os.close(writing)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
