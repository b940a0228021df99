"""Modbus messages and frames as bytes and objects: no socket, no clock, no log.

A client drives it with one state per connection: `ClientState` where frames carry transactions,
`OrderedState` where they do not (serial lines)::

    state = ClientState(make_framer(Framing.MBAP, Side.CLIENT))
    transaction, data = state.ask(unit, ReadRequest(3, 0, 10), token)   # send data
    for token, outcome in state.receive(received): ...                  # bytes or an error
    state.forget(transaction)                                           # it took too long

A server feeds a framer, decodes each frame's PDU and puts the answer back::

    framer = make_framer(Framing.RTU, Side.SERVER)
    for transaction, unit, pdu in framer.feed(received):
        request = decode_request(pdu)            # InvalidRequestError says what to answer
        data = framer.encode(transaction, unit, response.pdu)

Serial framers want to be told of silence: `framer.silence()` returns frames that only silence
ends, and lets go of what will not become one.
"""

from energymeter.codec.ascii_mode import AsciiFramer
from energymeter.codec.checksum import crc16, lrc
from energymeter.codec.client_state import ClientState
from energymeter.codec.codes import ExceptionCode, Function, Table
from energymeter.codec.decode import decode_request, decode_response
from energymeter.codec.echo import EchoRemover
from energymeter.codec.framers import make_framer
from energymeter.codec.framing import Frame, Framer, Framing, Side
from energymeter.codec.mbap import MbapFramer
from energymeter.codec.messages import (
    ExceptionResponse,
    MaskWrite,
    ReadBitsResponse,
    ReadRegistersResponse,
    ReadRequest,
    ReadWriteRequest,
    Request,
    Response,
    WriteCoil,
    WriteCoilsRequest,
    WriteRegister,
    WriteRegistersRequest,
    WrittenResponse,
)
from energymeter.codec.messages_ext import (
    Diagnostics,
    IdentificationResponse,
    ReadIdentificationRequest,
    ReportServerIdRequest,
    ServerIdResponse,
    identification_page,
)
from energymeter.codec.ordered_state import OrderedState
from energymeter.codec.rtu import RtuFramer

__all__ = [
    "AsciiFramer",
    "ClientState",
    "Diagnostics",
    "EchoRemover",
    "ExceptionCode",
    "ExceptionResponse",
    "Frame",
    "Framer",
    "Framing",
    "Function",
    "IdentificationResponse",
    "MaskWrite",
    "MbapFramer",
    "OrderedState",
    "ReadBitsResponse",
    "ReadIdentificationRequest",
    "ReadRegistersResponse",
    "ReadRequest",
    "ReadWriteRequest",
    "ReportServerIdRequest",
    "Request",
    "Response",
    "RtuFramer",
    "ServerIdResponse",
    "Side",
    "Table",
    "WriteCoil",
    "WriteCoilsRequest",
    "WriteRegister",
    "WriteRegistersRequest",
    "WrittenResponse",
    "crc16",
    "decode_request",
    "decode_response",
    "identification_page",
    "lrc",
    "make_framer",
]
