"""A span without a map: what could stand there is proposed, and what is sure is said."""

from __future__ import annotations

import asyncio
import struct
import time

from benchmarks.doubles import DirectUnit, StillMeter

from energymeter.codec.codes import Table
from energymeter.discovery import Asker, Proposal, propose, read_range
from energymeter.profiles import ProfileLibrary
from energymeter.server import RegisterImage, Tables

LIBRARY = ProfileLibrary([])


def proposals(name: str, table: Table, first: int, last: int) -> list[Proposal]:
    unit = DirectUnit(StillMeter(LIBRARY.load(name), seed=3).tables)
    found = asyncio.run(read_range(Asker(unit), table, first, last))
    return propose(found.words)


def one(found: list[Proposal], what: str) -> Proposal:
    return next(proposal for proposal in found if proposal.what == what)


def test_floats_of_an_sdm630_are_recognised() -> None:
    found = proposals("sdm630", Table.INPUT, 0, 90)

    voltages = one(found, "voltages of three phases")
    assert (voltages.address, voltages.type, voltages.order.letters) == (0, "float32", "ABCD")
    assert voltages.sureness == "likely"
    assert one(found, "currents of three phases").address == 6
    assert one(found, "frequency").address == 70


def test_single_registers_are_recognised_with_their_scale() -> None:
    found = proposals("electric", Table.HOLDING, 0, 40)

    voltages = one(found, "voltages of three phases")
    assert (voltages.address, voltages.type, voltages.scale) == (10, "int16", 0.1)
    assert one(found, "frequency").address == 16


def test_registers_that_count_up_are_judged_in_reasonable_time() -> None:
    # Every three neighbours are alike: what goes with what is asked very often.
    began_s = time.process_time()
    propose({address: address for address in range(100)})
    assert time.process_time() - began_s < 15


def test_currents_have_their_bytes_in_the_order_of_the_voltages() -> None:
    volts, amperes, watts = (2301, 2311, 2295), (500, 600, 700), (1093, 1317, 1526)
    swapped = [int.from_bytes(n.to_bytes(2, "big"), "little") for n in (*amperes, *watts)]

    same = propose(dict(enumerate((*volts, 0, *amperes, *watts))))
    mixed = propose(dict(enumerate((*volts, 0, *swapped))))

    assert one(same, "currents of three phases").address == 4
    assert "currents of three phases" not in [proposal.what for proposal in mixed]


def test_nothing_is_proposed_for_zeros() -> None:
    assert propose(dict.fromkeys(range(100), 0)) == []


def test_what_is_refused_is_left_out_and_named() -> None:
    image = RegisterImage([(0, bytes(60)), (40, struct.pack(">4H", 2301, 2311, 2295, 0))])
    unit = DirectUnit(Tables(holding=image))

    found = asyncio.run(read_range(Asker(unit), Table.HOLDING, 0, 59))

    assert found.words.keys() == {*range(30), *range(40, 44)}
    assert found.words[40] == 2301
    assert set(found.refused) <= set(range(30, 60))
    assert len(unit.requests) < 40
