"""What an examination says: steps by layer, and one sentence at the end. Plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["Diagnosis", "Layer", "Mark", "Step", "Verdict"]


class Layer(StrEnum):
    """What is examined, from the ground up; a layer stands on all those before it."""

    NAME = "name"
    ROUTE = "route"
    PORT = "port"
    DEVICE = "device"
    """The serial port, as this machine has it."""

    TLS = "tls"
    FRAMING = "framing"
    LINE = "line"
    """Speed and parity of a serial line, and what is heard on it."""

    ECHO = "echo"
    UNIT = "unit"
    GATEWAY = "gateway"
    TIMING = "timing"
    FUNCTION = "function"
    ADDRESS = "address"
    LENGTH = "length"
    ORDER = "order"
    VALUES = "values"


class Verdict(StrEnum):
    """What is the matter with a layer: the word that programs go by."""

    FINE = "fine"
    NOTED = "noted"
    """Nothing that keeps a meter from being read, but worth knowing."""

    UNKNOWN_HOST = "unknown-host"
    NO_NAME_SERVER = "no-name-server"
    MISLEADING_ADDRESS = "misleading-address"
    """It is read as another address than it looks like."""

    NO_ROUTE = "no-route"
    OTHER_NETWORK = "other-network"
    HOST_SILENT = "host-silent"
    PORT_REFUSED = "port-refused"
    PORT_FILTERED = "port-filtered"
    OTHER_PORT = "other-port"
    OTHER_TRANSPORT = "other-transport"
    CLOSED_AT_ONCE = "closed-at-once"
    HANGS_UP = "hangs-up"
    CANNOT_LISTEN = "cannot-listen"
    NOBODY_DIALS_IN = "nobody-dials-in"
    NO_DEVICE = "no-device"
    NO_PERMISSION = "no-permission"
    DEVICE_BUSY = "device-busy"
    DEVICE_FAILED = "device-failed"
    TLS_NEEDED = "tls-needed"
    TLS_NOT_SPOKEN = "tls-not-spoken"
    CERTIFICATE_REFUSED = "certificate-refused"
    """We do not trust theirs."""

    TLS_FAILED = "tls-failed"
    OTHER_FRAMING = "other-framing"
    OTHER_PROTOCOL = "other-protocol"
    WRONG_IDS = "wrong-ids"
    ONE_BEHIND = "one-behind"
    BAD_CHECKSUM = "bad-checksum"
    GARBLED = "garbled"
    OTHER_SPEED = "other-speed"
    OTHER_PARITY = "other-parity"
    """Or other stop or data bits; the speed is right."""

    OTHER_MASTER = "other-master"
    NOISE_ONLY = "noise-only"
    LINE_SILENT = "line-silent"
    ECHO = "echo"
    ECHO_ONLY = "echo-only"
    OTHER_UNIT = "other-unit"
    UNIT_CHANGED = "unit-changed"
    """Answers carry another unit than the one that was asked."""

    SILENT = "silent"
    BUSY = "busy"
    FAILING = "failing"
    """It, or a gateway in its place, answers every question with exception 4."""

    NO_PATH = "no-path"
    TARGET_SILENT = "target-silent"
    SLOW = "slow"
    LATE = "late"
    UNRELIABLE = "unreliable"
    CONNECT_PAUSE = "connect-pause"
    PAUSE = "pause"
    OTHER_TABLE = "other-table"
    OTHER_BASE = "other-base"
    ALL_REFUSED = "all-refused"
    TOO_LONG = "too-long"
    LEAVES_OUT = "leaves-out"
    """Of a long read it answers only the registers that exist, as if there were no others."""

    OTHER_ORDER = "other-order"
    OTHER_PROFILE = "other-profile"
    OTHER_SCALE = "other-scale"
    ALL_ZERO = "all-zero"
    NONSENSE = "nonsense"
    NOT_FINISHED = "not-finished"


class Mark(StrEnum):
    """How a step is marked for people."""

    FINE = "ok"
    NOTED = "note"
    WRONG = "WRONG"


_MARKS: Final = {Verdict.FINE: Mark.FINE, Verdict.NOTED: Mark.NOTED}


@dataclass(frozen=True, slots=True)
class Step:
    """What was seen of one layer."""

    layer: Layer
    verdict: Verdict
    seen: str
    """The facts, for people: what was tried and what came of it."""

    advice: str = ""
    """What is wrong and what to try, in one sentence; empty when nothing is wrong."""

    command: str = ""
    """A command line that can be pasted; empty when there is none that would help."""

    @property
    def mark(self) -> Mark:
        """Whether this is where it stops."""
        return _MARKS.get(self.verdict, Mark.WRONG)

    @property
    def is_broken(self) -> bool:
        """Whether nothing above this layer can work."""
        return self.mark is Mark.WRONG

    @property
    def sentence(self) -> str:
        """The advice, with the command behind it if there is one."""
        return f"{self.advice}; try: {self.command}" if self.command else self.advice


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All steps in order; only the last can be broken."""

    steps: Sequence[Step]
    seconds: float
    """How long it took."""

    praise: str
    """What is said when nothing is broken."""

    next_command: str = ""
    """What to do next when nothing is broken."""

    @property
    def broken(self) -> Step | None:
        """Where it stops; None: nowhere."""
        return next((step for step in self.steps if step.is_broken), None)

    @property
    def is_well(self) -> bool:
        """Whether nothing is broken."""
        return self.broken is None

    @property
    def sentence(self) -> str:
        """The one sentence: what is wrong and what to try, or that all is well."""
        if self.broken is not None:
            return self.broken.sentence
        return f"{self.praise}; try: {self.next_command}" if self.next_command else self.praise

    @property
    def command(self) -> str:
        """What can be pasted; may be empty."""
        return self.next_command if self.broken is None else self.broken.command
