"""Tables as a handler: what is written goes through one hook, which may refuse it."""

from __future__ import annotations

import pytest

from energymeter.codec import ExceptionCode, Table
from energymeter.errors import ConfigError, LocalProtocolError
from energymeter.server import BitImage, RegisterImage, Tables, Write
from energymeter.server.tables import refusal


class Hook:
    """Remembers writes, and refuses them with `code` if there is one."""

    def __init__(self, code: ExceptionCode | None = None) -> None:
        self.writes: list[Write] = []
        self._code = code

    def __call__(self, write: Write) -> None:
        self.writes.append(write)
        if self._code is not None:
            raise refusal(self._code)


def tables_with(hook: Hook | None = None) -> Tables:
    return Tables(
        holding=RegisterImage([(0, b"\x00\x12\x00\x34\x00\x56")]),
        coils=BitImage((n, n == 1) for n in range(10)),
        on_write=hook,
    )


WRITES = {
    "coil on": (b"\x05\x00\x02\xff\x00", Write(Table.COIL, 2, (1,))),
    "coil off": (b"\x05\x00\x02\x00\x00", Write(Table.COIL, 2, (0,))),
    "register": (b"\x06\x00\x02\xab\xcd", Write(Table.HOLDING, 2, (0xABCD,))),
    "coils": (b"\x0f\x00\x03\x00\x04\x01\x0b", Write(Table.COIL, 3, (1, 1, 0, 1))),
    "registers": (b"\x10\x00\x01\x00\x02\x04\x00\x07\x00\x08", Write(Table.HOLDING, 1, (7, 8))),
    "mask": (b"\x16\x00\x00\x00\xf2\x00\x25", Write(Table.HOLDING, 0, (0x0017,))),
    "read and write": (
        b"\x17\x00\x00\x00\x01\x00\x02\x00\x01\x02\x00\x09",
        Write(Table.HOLDING, 2, (9,)),
    ),
}


@pytest.mark.parametrize("kind", WRITES)
def test_every_kind_of_write_reaches_the_hook_in_plain_values(kind: str) -> None:
    pdu, wanted = WRITES[kind]
    hook = Hook()
    answer = tables_with(hook).answer(1, pdu)

    assert hook.writes == [wanted]
    assert answer[0] == pdu[0]


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("code", [1, 2, 3, 4, 6])
def test_a_hook_that_refuses_chooses_the_exception_the_client_gets(kind: str, code: int) -> None:
    pdu, _ = WRITES[kind]

    answer = tables_with(Hook(ExceptionCode(code))).answer(1, pdu)

    assert answer == bytes((pdu[0] | 0x80, code))


@pytest.mark.parametrize("kind", WRITES)
def test_a_hook_alone_decides_whether_what_was_written_is_kept(kind: str) -> None:
    pdu, _ = WRITES[kind]
    tables = tables_with(Hook())
    tables.answer(1, pdu)

    assert tables.holding.read(0, 3) == b"\x00\x12\x00\x34\x00\x56"
    assert tables.coils.read(0, 10) == b"\x02\x00"


@pytest.mark.parametrize("kind", WRITES)
def test_without_a_hook_what_was_written_is_read_back(kind: str) -> None:
    pdu, write = WRITES[kind]
    tables = tables_with()
    tables.answer(1, pdu)

    if write.table is Table.HOLDING:
        wanted = b"".join(value.to_bytes(2, "big") for value in write.values)
        assert tables.holding.read(write.address, len(write.values)) == wanted
    else:
        bits = sum(value << place for place, value in enumerate(write.values))
        assert tables.coils.read(write.address, len(write.values)) == bytes((bits,))


@pytest.mark.parametrize(
    "pdu",
    [
        b"\x05\x00\x0a\xff\x00",
        b"\x06\x00\x03\x00\x00",
        b"\x0f\x00\x09\x00\x02\x01\x03",
        b"\x10\x00\x02\x00\x02\x04\x00\x07\x00\x08",
        b"\x16\x00\x03\x00\x00\x00\x00",
        b"\x17\x00\x03\x00\x01\x00\x02\x00\x01\x02\x00\x09",
        b"\x17\x00\x00\x00\x01\x00\x03\x00\x01\x02\x00\x09",
    ],
)
def test_a_write_to_what_does_not_exist_never_reaches_the_hook(pdu: bytes) -> None:
    hook = Hook()

    assert tables_with(hook).answer(1, pdu) == bytes((pdu[0] | 0x80, 2))
    assert hook.writes == []


@pytest.mark.parametrize(
    "pdu",
    [
        b"\x05\x00\x02\x12\x34",
        b"\x0f\x00\x00\x00\x00\x00",
        b"\x0f\x00\x00\x00\x08\x02\xff\xff",
        b"\x10\x00\x00\x00\x00\x00",
        b"\x10\x00\x00\x00\x02\x03\x00\x00\x00",
        b"\x10\x00\x00\x00\x7c\xf8" + bytes(248),
        b"\x06\x00\x00",
        b"\x16\x00\x00\x00\x00",
    ],
)
def test_a_malformed_write_is_refused_with_exception_3_before_the_hook(pdu: bytes) -> None:
    hook = Hook()

    assert tables_with(hook).answer(1, pdu) == bytes((pdu[0] | 0x80, 3))
    assert hook.writes == []


def test_the_quantity_is_judged_before_the_address() -> None:
    assert tables_with().answer(1, b"\x03\xff\xff\x00\x00") == b"\x83\x03"
    assert tables_with().answer(1, b"\x03\xff\xff\x00\x01") == b"\x83\x02"


def test_tables_that_are_one_object_mirror_each_other() -> None:
    image = RegisterImage([(0, bytes(2))])
    tables = Tables(holding=image, input=image)
    tables.answer(1, b"\x06\x00\x00\x12\x34")

    assert tables.answer(1, b"\x04\x00\x00\x00\x01") == b"\x04\x02\x12\x34"


def test_a_server_id_longer_than_a_message_is_refused_when_it_is_given() -> None:
    with pytest.raises((ConfigError, LocalProtocolError)):
        Tables(server_id=bytes(252))


@pytest.mark.parametrize("words", [0, 126, 200])
def test_a_longest_read_that_no_message_holds_is_refused(words: int) -> None:
    with pytest.raises(ConfigError, match="use 1 to 125"):
        Tables(max_read_words=words)
