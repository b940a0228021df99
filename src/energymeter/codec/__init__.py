"""Modbus messages and frames as bytes and objects: no socket, no clock, no log.

A client drives it with one `ClientState` per connection::

    state = ClientState(MbapFramer())
    transaction, data = state.ask(unit, ReadRequest(3, 0, 10), token)   # send data
    for token, outcome in state.receive(received): ...                  # bytes or an error
    state.forget(transaction)                                           # it took too long

A server feeds a framer, decodes each frame's PDU and puts the answer back::

    for transaction, unit, pdu in framer.feed(received):
        request = decode_request(pdu)            # InvalidRequestError says what to answer
        data = framer.encode(transaction, unit, response.pdu)
"""

from energymeter.codec.client_state import ClientState
from energymeter.codec.codes import ExceptionCode, Function, Table
from energymeter.codec.decode import decode_request, decode_response
from energymeter.codec.framing import Frame, Framer
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

__all__ = [
    "ClientState",
    "Diagnostics",
    "ExceptionCode",
    "ExceptionResponse",
    "Frame",
    "Framer",
    "Function",
    "IdentificationResponse",
    "MaskWrite",
    "MbapFramer",
    "ReadBitsResponse",
    "ReadIdentificationRequest",
    "ReadRegistersResponse",
    "ReadRequest",
    "ReadWriteRequest",
    "ReportServerIdRequest",
    "Request",
    "Response",
    "ServerIdResponse",
    "Table",
    "WriteCoil",
    "WriteCoilsRequest",
    "WriteRegister",
    "WriteRegistersRequest",
    "WrittenResponse",
    "decode_request",
    "decode_response",
    "identification_page",
]
