"""What proves that a delegate or an execution provider took part, the same shape for every runtime.

``state`` is about the one that was asked for: ``engaged`` only if it is named and holds a node, ``absent`` if it is
proven that it holds none, and ``unproven`` for everything else. ``placement`` says which provider holds how many nodes.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    Node = tuple[str, list[int], list[int]]  # name, tensors in, tensors out

XNNPACK = "XNNPACK"
BUILT_IN = "built-in kernels"
FLEX = "Flex"
_UNNAMED = "a delegate without a name"
_DELEGATE = "DELEGATE"
_SAID = "XNNPACK delegate"  # in the log of every LiteRT and tflite_runtime that has made one


class DelegateNotEngaged(Exception):
    """A delegate was required and nothing proves that it took part."""


class DelegateNotOff(Exception):
    """A delegate was switched off and took nodes nevertheless."""


def prove(delegate: dict[str, Any]) -> None:
    """Raise where what was requested is not what happened: a delegate that is named is required. An ``off`` of a
    runtime that does not tell passes: the record says ``unproven``."""
    requested, state, reason = delegate["requested"], delegate["state"], delegate["reason"]
    if requested not in ("auto", "off") and state != "engaged":
        what = XNNPACK if requested == "require" else "delegate %s" % requested
        raise DelegateNotEngaged("%s was required, but it is %s: %s" % (what, state, reason))
    if requested == "off" and delegate["delegated_nodes"]:
        raise DelegateNotOff(
            "XNNPACK was switched off, but %d of %d nodes were taken by %s"
            % (delegate["delegated_nodes"], delegate["nodes"], delegate["name"] or _UNNAMED)
        )


def log_size() -> int | None:
    """Bytes in the log that this process's stderr goes to; None where that is no file, and cannot be read back."""
    status = os.fstat(2)
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def logged_since(size: int | None) -> str | None:
    """What was written to the log since, by native code as well; None where it cannot be read back."""
    if size is None:
        return None
    try:
        with open("/proc/self/fd/2", "rb") as stream:
            stream.seek(size if size <= (log_size() or 0) else 0)  # it may have been cut meanwhile
            return stream.read(1 << 20).decode("utf-8", "replace")
    except OSError:
        return None


def unproven(reason: str) -> dict[str, Any]:
    counts: dict[str, Any] = {"partitions": None, "nodes": None, "delegated_nodes": None, "placement": []}
    return dict(counts, state="unproven", name=None, reason=reason)


def whole(name: str, provider: str, nodes: int | None) -> dict[str, Any]:
    """Of a model that ``name`` holds as a whole, or not at all."""
    counts: dict[str, Any] = {"partitions": 1, "nodes": nodes, "delegated_nodes": nodes}
    placement = [{"provider": provider, "nodes": nodes}]
    return dict(counts, placement=placement, state="engaged", name=name, reason=None)


def of_external(alone: Sequence[Node], both: Sequence[Node], name: str, said: str | None) -> dict[str, Any]:
    """Of a delegate of the user's own, which is called ``name``: the list of operations before XNNPACK was asked, and
    the one after it. ``said`` is the log up to the first of them: XNNPACK must not be in it."""
    if said is not None and _SAID in said:
        return unproven("XNNPACK was applied before %s could be looked at" % name)
    own, rest = of_operations(alone, None), of_operations(both, _SAID)
    if not own["partitions"]:
        reason = "%s took no operation of this model" % name
        return dict(rest, state="absent", name=None, reason=reason, partitions=0, delegated_nodes=0)
    taken = own["delegated_nodes"]
    if taken is None or rest["delegated_nodes"] is None:
        return unproven("%s lists partitions, but no node is found in them" % name)
    others = [where for where in rest["placement"] if where["provider"] != XNNPACK]
    by_xnnpack = rest["delegated_nodes"] - taken
    shares = [(name, taken), (XNNPACK, by_xnnpack), *((where["provider"], where["nodes"]) for where in others)]
    found = {"partitions": own["partitions"], "nodes": own["nodes"], "delegated_nodes": taken}
    placement = [{"provider": provider, "nodes": count} for provider, count in shares if count]
    return dict(found, state="engaged", name=name, reason=None, placement=placement)


def of_operations(operations: Sequence[Node], said: str | None) -> dict[str, Any]:
    """From a list of a model's nodes and, behind them, one DELEGATE per partition.

    The list names no delegate. ``said`` is what the runtime logged while it loaded: that names XNNPACK. Partitions of
    nothing but Flex operations are TensorFlow's Flex delegate, which is no accelerator and no answer to XNNPACK.
    """
    plain = [node for node in operations if node[0] != _DELEGATE]
    partitions = [inside(plain, node) for node in operations if node[0] == _DELEGATE]
    flex = [found for found in partitions if found and all(plain[i][0].startswith("Flex") for i in found)]
    others = [found for found in partitions if found not in flex]
    taken, by_flex = len(set().union(*others)), len(set().union(*flex))
    name = XNNPACK if said is not None and _SAID in said else None
    shares = [(name or _UNNAMED, taken), (FLEX, by_flex), (BUILT_IN, len(plain) - taken - by_flex)]
    found = {
        "partitions": len(others),
        "nodes": len(plain),
        "delegated_nodes": taken,
        "placement": [{"provider": provider, "nodes": count} for provider, count in shares if count],
    }
    if not others:
        return dict(found, state="absent", name=None, reason="no operation of this model was taken by XNNPACK")
    if not taken:
        reason = "%d partitions of a delegate are listed, but no node is found in them" % len(others)
        return dict(found, state="unproven", name=None, reason=reason, delegated_nodes=None, placement=[])
    if name is None:
        reason = "a delegate took %d of %d nodes, but the runtime does not say which one it is" % (taken, len(plain))
        return dict(found, state="unproven", name=None, reason=reason)
    return dict(found, state="engaged", name=name, reason=None)


def inside(nodes: Sequence[Node], partition: Node) -> set[int]:
    """Nodes of a partition: those met on the way back from its outputs to its inputs."""
    producers = {tensor: index for index, node in enumerate(nodes) for tensor in node[2]}
    border, waiting, found = set(partition[1]), list(partition[2]), set()
    while waiting:
        tensor = waiting.pop()
        index = producers.get(tensor)
        if tensor in border or index is None or index in found:
            continue
        found.add(index)
        waiting.extend(nodes[index][1])
    return found


def of_providers(
    wanted: str | None, registered: Sequence[str], assigned: Sequence[tuple[str, int]] | None
) -> dict[str, Any]:
    """Of a session with execution providers: the ``wanted`` one (None: the runtime's own CPU kernels), those that the
    session has (one that could not be had is silently left out), and who holds how many nodes, once per subgraph.
    ``assigned`` is None where the runtime does not tell.
    """
    fallback = "%s was asked for, but the session has only %s" % (wanted, ", ".join(registered))
    if assigned is None:
        if wanted is not None and wanted not in registered:
            return dict(unproven(fallback), state="absent")
        return _untold(wanted, registered)
    placement: dict[str, int] = {}
    for provider, count in assigned:
        placement[provider] = placement.get(provider, 0) + count
    found = {
        "partitions": sum(1 for provider, _ in assigned if provider == wanted),
        "nodes": sum(placement.values()),
        "delegated_nodes": placement.get(wanted or "", 0),
        "placement": [{"provider": name, "nodes": placement[name]} for name in sorted(placement)],
    }
    if wanted is None:
        return dict(found, state="absent", name=None, reason="no execution provider beside the CPU's was asked for")
    if wanted not in registered:
        return dict(found, state="absent", name=None, reason=fallback)
    if not found["delegated_nodes"]:
        return dict(found, state="absent", name=None, reason="%s took no node of this model" % wanted)
    return dict(found, state="engaged", name=wanted, reason=None)


def _untold(wanted: str | None, registered: Sequence[str]) -> dict[str, Any]:
    """With a single provider there is no doubt, only no number."""
    if wanted is None and len(registered) == 1:
        reason = "%s is the only provider; this version does not count its nodes" % registered[0]
        placement = [{"provider": registered[0], "nodes": None}]
        return dict(unproven(reason), state="absent", placement=placement)
    return unproven("this version of the runtime does not tell which provider holds which node")
