"""Requests and responses about the device itself: functions 8, 17 and 43/14.

Knows no socket, clock or log.
Source: MODBUS Application Protocol Specification v1.1b3, sections 6.8, 6.13 and 6.21.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from energymeter.codec.codes import MAX_PDU_BYTES, Function
from energymeter.codec.messages import Request, Response
from energymeter.errors import LocalProtocolError

__all__ = [
    "IDENTIFICATION_NAMES",
    "MEI_READ_IDENTIFICATION",
    "Diagnostics",
    "IdentificationResponse",
    "ReadIdentificationRequest",
    "ReportServerIdRequest",
    "ServerIdResponse",
    "identification_page",
]

MEI_READ_IDENTIFICATION: Final = 14
"""The only kind of function 43 that meters use (section 6.21)."""

IDENTIFICATION_NAMES: Final[dict[int, str]] = {
    0: "vendor_name",
    1: "product_code",
    2: "major_minor_revision",
    3: "vendor_url",
    4: "product_name",
    5: "model_name",
    6: "user_application_name",
}
"""Object ids with a standard meaning (section 6.21); 128 to 255 are the vendor's own."""

_MAX_OBJECT_BYTES: Final = MAX_PDU_BYTES - 9
"""What one object can hold beside the head of the message and its own."""

_LAST_OBJECT_OF_CODE: Final[dict[int, int]] = {1: 0x02, 2: 0x7F, 3: 0xFF}


@dataclass(frozen=True, slots=True)
class Diagnostics(Request, Response):
    """A sub-function with its data; sub-function 0 returns the data as it came (function 8)."""

    subfunction: int
    data: bytes
    function: int = field(init=False, default=Function.DIAGNOSTICS)
    pdu: bytes = field(init=False, repr=False, compare=False)
    answer_bytes: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.subfunction <= 0xFFFF:
            msg = f"diagnostics sub-function {self.subfunction} is outside 0..65535"
            raise LocalProtocolError(msg)
        if len(self.data) % 2 or not 2 <= len(self.data) <= MAX_PDU_BYTES - 3:
            msg = f"diagnostics data is 2 to 250 bytes and an even number, not {len(self.data)}"
            raise LocalProtocolError(msg)
        head = struct.pack(">BH", self.function, self.subfunction)
        object.__setattr__(self, "pdu", head + self.data)
        # Only the echo has to come back as long as it went out.
        answer = len(self.data) + 3 if self.subfunction == 0 else None
        object.__setattr__(self, "answer_bytes", answer)


@dataclass(frozen=True, slots=True)
class ReportServerIdRequest(Request):
    """Ask for the device's own description (function 17)."""

    function: int = field(init=False, default=Function.REPORT_SERVER_ID)
    pdu: bytes = field(init=False, default=b"\x11", repr=False, compare=False)
    answer_bytes: int | None = field(init=False, default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ServerIdResponse(Response):
    """The device's own description; its layout is the vendor's (function 17)."""

    data: bytes
    function: int = field(init=False, default=Function.REPORT_SERVER_ID)

    def __post_init__(self) -> None:
        if len(self.data) > MAX_PDU_BYTES - 2:
            msg = f"a server id has at most {MAX_PDU_BYTES - 2} bytes, not {len(self.data)}"
            raise LocalProtocolError(msg)

    @property
    def pdu(self) -> bytes:  # type: ignore[override]
        """The message as bytes."""
        return bytes((self.function, len(self.data))) + self.data


@dataclass(frozen=True, slots=True)
class ReadIdentificationRequest(Request):
    """Ask for identification objects (function 43/14).

    `code` 1 asks for the basic objects, 2 for the regular, 3 for the extended ones as a stream
    from `object_id`; 4 asks for the single object `object_id`.
    """

    code: int = 1
    object_id: int = 0
    function: int = field(init=False, default=Function.ENCAPSULATED_INTERFACE_TRANSPORT)
    pdu: bytes = field(init=False, repr=False, compare=False)
    answer_bytes: int | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.code <= 4:
            msg = f"identification code {self.code} is outside 1..4"
            raise LocalProtocolError(msg)
        if not 0 <= self.object_id <= 0xFF:
            msg = f"identification object {self.object_id} is outside 0..255"
            raise LocalProtocolError(msg)
        pdu = bytes((self.function, MEI_READ_IDENTIFICATION, self.code, self.object_id))
        object.__setattr__(self, "pdu", pdu)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentificationResponse(Response):
    """One page of identification objects (function 43/14).

    `next_object` is None on the last page. `conformity` is the highest code served, 1 to 3,
    plus 0x80 when single objects can be asked for.
    """

    code: int
    conformity: int
    objects: tuple[tuple[int, bytes], ...]
    next_object: int | None = None
    function: int = field(init=False, default=Function.ENCAPSULATED_INTERFACE_TRANSPORT)

    @property
    def pdu(self) -> bytes:  # type: ignore[override]
        """The message as bytes."""
        more = self.next_object is not None
        head = bytes(
            (
                self.function,
                MEI_READ_IDENTIFICATION,
                self.code,
                self.conformity,
                0xFF if more else 0,
                self.next_object or 0,
                len(self.objects),
            )
        )
        return head + b"".join(
            bytes((object_id, len(text))) + text for object_id, text in self.objects
        )


def identification_page(
    request: ReadIdentificationRequest, objects: Mapping[int, bytes]
) -> IdentificationResponse:
    """Answer an identification request from all `objects` of a device.

    A stream that does not fit into one message ends with the id to go on from; a stream asked
    for from an unknown id starts again at 0 (section 6.21).

    An object too long for a message of its own is cut.

    Raises:
        LocalProtocolError: With `code` 2 when a single object is asked for that does not exist.
    """
    highest = max(objects, default=0)
    conformity = 0x80 | (1 if highest <= 2 else 2 if highest <= 0x7F else 3)
    if request.code == 4:
        if request.object_id not in objects:
            msg = f"identification object {request.object_id} does not exist"
            raise LocalProtocolError(msg, code=2)
        single = ((request.object_id, objects[request.object_id][:_MAX_OBJECT_BYTES]),)
        return IdentificationResponse(code=4, conformity=conformity, objects=single)
    # A device that is asked for more than it has answers with what it has.
    last = _LAST_OBJECT_OF_CODE[request.code]
    ids = sorted(object_id for object_id in objects if object_id <= last)
    first = request.object_id if request.object_id in ids else 0
    page: list[tuple[int, bytes]] = []
    room = MAX_PDU_BYTES - 7
    for object_id in ids:
        if object_id < first:
            continue
        text = objects[object_id][:_MAX_OBJECT_BYTES]
        room -= len(text) + 2
        if room < 0:
            return IdentificationResponse(
                code=request.code,
                conformity=conformity,
                objects=tuple(page),
                next_object=object_id,
            )
        page.append((object_id, text))
    return IdentificationResponse(code=request.code, conformity=conformity, objects=tuple(page))
