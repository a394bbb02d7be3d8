"""The part of the contract about quality: the raw answers of the board to stored inputs."""

from __future__ import annotations

from remote.schema import fields, integer, many, maybe, number, text

MAX_OUTPUT_BYTES = 8 * 1024 * 1024
"""Of answers, before compression: so many samples are answered as fit."""
MAX_QUALITY_SAMPLES = 50_000
LONGEST_ANSWERS_S = 60.0
"""After this time the answers end with the samples that they have: what is timed must not wait for them for hours."""
ANSWERS_START_S = 60.0
"""What loading the model and the inputs, and the last call, may take beside that; then they are stopped."""
DIGEST = r"[0-9a-f]{64}"

QUALITY_JOB = fields({"sha256": text(64, DIGEST), "samples": integer(1, MAX_QUALITY_SAMPLES)})
"""The blob with the inputs (see ``remote.stored_inputs``), and how many of them are answered at most."""

_OUTPUT = fields(
    {
        "name": text(500),
        "dtype": text(40),
        "shape": many(integer(0, 2**40), 16),  # samples first
        "scale": maybe(number(0, 1e30)),  # of a quantized output; null: the values are what they say
        "zero_point": maybe(integer(-(2**31), 2**31)),
        "data": text(2 * MAX_OUTPUT_BYTES),  # base64 of zlib of the values, C order, little endian
    }
)

QUALITY = fields(
    {
        "inputs_sha256": text(64, DIGEST),
        "samples": integer(1, MAX_QUALITY_SAMPLES),
        "batch": integer(1, 10**6),
        "duration_ns": integer(),
        "outputs": many(_OUTPUT, 64),
    }
)


def check_quality(data: object) -> None:
    """The record's ``quality`` alone; raises :class:`ContractError`."""
    maybe(QUALITY)(data, "record.quality")
