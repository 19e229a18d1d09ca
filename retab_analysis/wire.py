"""The API's documents as typed structs, and nothing else.

The decoder skips fields that are not named here. A missing member takes the default that the
contract declares; an explicit null stays None. A missing or null *part* (a nested object) is None,
which nulls its columns. Integers are bounded to 64 bits. Times stay text, which ``decode`` checks
and polars reads. Free-form JSON stays raw, with its numbers untouched.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from datetime import UTC, datetime
from typing import Annotated, Any, NewType

import msgspec

Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
ABSENT = msgspec.Raw(b"")

_BUILDING = threading.Lock()


def shape_times(*zones: str) -> frozenset[bytes]:
    """RFC 3339 with 0 to 6 digits of fraction, each digit as a 0, and with one of some offsets."""
    return frozenset(
        f"0000-00-00{separator}00:00:00{fraction}{zone}".encode()
        for separator in "T "
        for fraction in ("", *(f".{'0' * digits}" for digits in range(1, 7)))
        for zone in zones
    )


# Python alone would read other formats and cut further digits. It checks the days.
_SHAPES = shape_times("", "Z", "+00:00", "-00:00")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999, in UTC


Time = NewType("Time", str)
"""A moment, as an ISO 8601 text to the microsecond at most; without an offset it is UTC."""


def read_time(text: str | None) -> int | None:
    """The microseconds since 1970 of a time, in UTC; None if there is none, or it is not one."""
    # Python reads surrogates and other shapes, too.
    if text is not None and text.encode(errors="replace").translate(_DIGITS) in _SHAPES:
        with contextlib.suppress(ValueError):
            moment = datetime.fromisoformat(text)
            since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
            found = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
            # Python reads an offset of 60 minutes, and later versions the hour 24, as the next 0.
            is_carried = (text[-3] == ":" and text[-2] > "5") or (
                not moment.hour and text[11] == "2"
            )
            if _FIRST <= found <= _LAST and not is_carried:
                return found
    return None


def decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    """The decoder for a type, made once.

    msgspec describes a class of structs when it is first decoded. The interpreter crashes if
    several threads do that at once.
    """
    with _BUILDING:
        return _make_decoder(wanted)


@functools.cache
def _make_decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(wanted)


class Wire(msgspec.Struct, gc=False):
    """The base of all documents."""


class ListMetadata(Wire):
    """Where the neighbours of a page are."""

    after: str | None = None


class ErrorDetails(Wire):
    """Where and how something failed to execute."""

    message: str | None = None
    error_code: str | None = None
    block_id: str | None = None


class Lifecycle(Wire):
    """The union of all lifecycles, known by its status."""

    status: str
    message: str | None = None
    reason: str | None = None
    details: ErrorDetails | None = None


class Timing(Wire):
    """When something was created, started and completed."""

    created_at: Time | None = None
    started_at: Time | None = None
    completed_at: Time | None = None
    duration_ms: Int | None = None


class BlockTarget(Wire):
    """The target of an eval: a block, today; other types may come without a block."""

    type: str = "block"
    block_id: str | None = None

    def __post_init__(self) -> None:
        if self.type == "block" and self.block_id is None:
            raise ValueError("Object missing required field `block_id`")


class Freshness(Wire):
    """Whether a measurement still holds."""

    status: str | None = "unknown"
    reasons: list[str] | None = []
    validity_fingerprint: str | None = None
    input_fingerprint: str | None = None
    baseline_run_id: str | None = None


class Trigger(Wire):
    """What started a run."""

    type: str


class LifecycleCounts(Wire):
    """Evals of a run by lifecycle."""

    pending: Int | None = 0
    queued: Int | None = 0
    running: Int | None = 0
    completed: Int | None = 0
    error: Int | None = 0
    cancelled: Int | None = 0


class OutcomeCounts(Wire):
    """Completed evals of a run by verdict."""

    passed: Int | None = 0
    failed: Int | None = 0
    blocked: Int | None = 0


class Counts(Wire):
    """Evals of a run, counted."""

    lifecycle_counts: LifecycleCounts | None = None
    outcome: OutcomeCounts | None = None


class Run(Wire):
    """An eval run."""

    id: str
    workflow_id: str
    workflow_version_id: str
    trigger: Trigger
    lifecycle: Lifecycle
    timing: Timing
    total_evals: Int
    target: BlockTarget | None = None
    eval_id: str | None = None
    counts: Counts | None = None
    freshness: Freshness | None = None

    @property
    def created(self) -> int | None:
        return read_time(self.timing.created_at)


class DocumentRef(Wire):
    """A file among the inputs of a result or of a saved eval."""

    id: str
    filename: str


class HandleInput(Wire):
    """One input of a block; a file has a document."""

    document: DocumentRef | None = None


class AssertionFailure(Wire):
    """Why an assertion failed or could not be judged."""

    code: str
    message: str
    details: msgspec.Raw = ABSENT


class AssertionResult(Wire):
    """What an assertion found."""

    assertion_id: str
    condition_kind: str
    outcome: str
    actual_value: msgspec.Raw = ABSENT
    expected_value: msgspec.Raw = ABSENT
    score: float | None = None
    threshold: float | None = None
    metric_kind: str | None = None
    assertion_label: str | None = None
    failure: AssertionFailure | None = None


class Artifact(Wire):
    """The stored output that a result judged."""

    operation: str
    id: str


class Result(Wire):
    """The result of one eval in one run."""

    id: str
    eval_id: str
    workflow_id: str
    block_id: str
    block_type: str
    workflow_eval_run_id: str | None = None
    lifecycle: Lifecycle | None = None
    timing: Timing | None = None
    verdict: str | None = None
    execution_fingerprint: str | None = None
    handle_inputs_fingerprint: str | None = None
    workflow_draft_fingerprint: str | None = None
    block_execution_fingerprint: str | None = None
    artifact: Artifact | None = None
    handle_inputs: dict[str, HandleInput] | None = None
    routing_decisions: msgspec.Raw = ABSENT
    warnings: list[str] | None = []
    assertion_result: AssertionResult | None = None


class ResultWithPayloads(Result):
    """A result whose inputs and outputs are kept as they were sent."""

    handle_inputs: dict[str, HandleInput] | None = msgspec.field(default=None, name="(parsed)")
    inputs: msgspec.Raw = msgspec.field(default=ABSENT, name="handle_inputs")
    outputs: msgspec.Raw = msgspec.field(default=ABSENT, name="handle_outputs")

    def __post_init__(self) -> None:
        if bytes(self.inputs):
            self.handle_inputs = decoder(dict[str, HandleInput] | None).decode(self.inputs)


class OutputTarget(Wire):
    """Which output of a block is asserted on."""

    output_handle_id: str
    path: str | None = None


class Condition(Wire):
    """The condition of an assertion; the other keys depend on its kind."""

    kind: str


class SchemaDependency(Wire):
    """The part of an output's schema that an assertion needs."""

    schema_path: str


class Assertion(Wire):
    """What an eval asserts."""

    target: OutputTarget
    condition: msgspec.Raw
    label: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        decoder(Condition).decode(self.condition)


class EvalSource(Wire):
    """Where an eval's frozen inputs came from; the type is declared per source, never missing."""

    type: str
    run_id: str | None = None
    step_id: str | None = None
    handle_inputs: dict[str, HandleInput] | None = None


class Drift(Wire):
    """Whether an eval still fits its workflow."""

    status: str | None = "unknown"
    affected_targets: list[str] | None = []
    detail: str | None = None


class LatestRun(Wire):
    """The newest run of an eval, or the newest in which it passed, or did not."""

    run_record_id: str
    status: str
    started_at: Time
    outcome: str | None = None
    completed_at: Time | None = None
    duration_ms: Int | None = None
    workflow_draft_fingerprint: str | None = None
    block_execution_fingerprint: str | None = None
    validity_fingerprint: str | None = None
    handle_inputs_fingerprint: str | None = None


class Eval(Wire):
    """A saved eval."""

    id: str
    workflow_id: str
    target: BlockTarget
    source: EvalSource
    name: str | None = None
    assertion: Assertion | None = None
    assertion_schema_dep: SchemaDependency | None = None
    assertion_drift_status: str | None = None
    schema_drift: str | None = "unknown"
    schema_drift_detail: str | None = None
    freshness: Freshness | None = None
    drift: Drift | None = None
    validation_status: str | None = "valid"
    validation_issues: msgspec.Raw = ABSENT
    latest_run_summary: LatestRun | None = None
    latest_passing_run_summary: LatestRun | None = None
    latest_failing_run_summary: LatestRun | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class Published(Wire):
    """The version of a workflow that is in production."""

    version_id: str | None = None
    published_at: Time | None = None
    description: str | None = ""


class Workflow(Wire):
    """A workflow."""

    id: str
    created_at: Time
    updated_at: Time
    name: str | None = "Untitled Workflow"
    description: str | None = ""
    project_id: str | None = None
    published: Published | None = None


class Publication(Wire):
    """A publication; runs and the other endpoints name its ``workflow_version_id``."""

    id: str
    workflow_id: str
    workflow_version_id: str
    published_at: Time
    version: Int | None = None
    description: str | None = None
    published_by: str | None = None
    published_by_name: str | None = None
    published_by_email: str | None = None
    is_current: bool | None = None


class Block(Wire):
    """A block of a workflow's draft, as it is now."""

    id: str
    type: str
    label: str | None = ""
    config: msgspec.Raw = ABSENT
    parent_id: str | None = None
    updated_at: Time | None = None


class VersionBlock(Wire):
    """A block of a published version; its id may be missing."""

    type: str
    label: str
    id: str | None = None
    config: msgspec.Raw = ABSENT
    parent_id: str | None = None


class GraphVersion(Wire):
    """A published version of a workflow, with the configuration of its blocks."""

    id: str
    workflow_id: str
    blocks: list[VersionBlock] | None = []


class GraphId(Wire):
    """One of a workflow's graphs, without its blocks; it names its publication."""

    id: str
    workflow_id: str
    created_at: Time
    workflow_version_id: str | None = None


class PublishEpoch(Wire):
    """A publication with this configuration of a block."""

    publish_version: Int | None = None


class BlockEra(Wire):
    """A configuration that a block had for a while, in drafts and published versions."""

    block_config_version_fingerprint: str
    id: str | None = None
    block_type: str | None = None
    block_label: str | None = None
    config_snapshot: msgspec.Raw = ABSENT
    first_seen_at: Time | None = None
    last_seen_at: Time | None = None
    publish_epochs: list[PublishEpoch] | None = None
    run_count: Int | None = None
    matches_current_draft: bool | None = None
    is_current_published: bool | None = None

    def __post_init__(self) -> None:
        # Its own id may be null. A configuration that was put back may be a new era.
        self.id = f"{self.block_config_version_fingerprint} {read_time(self.first_seen_at) or 0}"


class FileLink(Wire):
    """Where a document can be downloaded for a while."""

    download_url: str
    expires_in: str
    filename: str
