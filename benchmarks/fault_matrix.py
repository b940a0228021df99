"""Every fault on every wire, our reader and a plain pymodbus loop side by side.

Writes docs/reference/faults.md. Three meters are on each wire; every register says whose it is, so
a value of another register or another unit shows. Real sockets and ptys, real time: about four
minutes. `python benchmarks/fault_matrix.py [--only FAULT] [--wire NAME]`
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pymodbus import FramerType  # noqa: E402
from pymodbus.client import (  # noqa: E402
    AsyncModbusSerialClient,
    AsyncModbusTcpClient,
    AsyncModbusUdpClient,
)
from pymodbus.exceptions import ModbusException  # noqa: E402
from tests.faults.test_fault_matrix import FAULTS, NUMBERED  # noqa: E402
from tests.support.fault_rig import (  # noqa: E402
    BLOCKS,
    UNITS,
    Outcome,
    PlainMeter,
    make_readers,
    poll_units,
)
from tests.transports.pki import Pki  # noqa: E402
from tests.transports.ptys import NullModem  # noqa: E402

from energymeter import __version__  # noqa: E402
from energymeter.client import Link  # noqa: E402
from energymeter.errors import ConfigError  # noqa: E402
from energymeter.server import ModbusServer, UnitRouter  # noqa: E402
from energymeter.simulator.faults import Misbehaviour, parse_fault  # noqa: E402
from energymeter.transports import Wire, parse_wire  # noqa: E402

TARGET: Final = ROOT / "docs" / "reference" / "faults.md"
TIMEOUT_S: Final = 0.3
INTERVAL_S: Final = 0.2
POLLS: Final = 10
PATIENCE_S: Final = 40.0
AT_ONCE: Final = 32
RETRIES: Final = 3
SEED: Final = 7

WIRES: Final = ("tcp", "rtu+tcp", "udp", "tls", "rtu", "ascii")


class Poller(Protocol):
    """Who reads the three meters."""

    async def poll(self) -> Outcome:
        """Read everything once."""
        ...

    async def close(self) -> None:
        """Let go of the wire."""
        ...


class Ours:
    """Our link and readers."""

    def __init__(self, wire: Wire) -> None:
        self._link = Link.to(wire, timeout_s=TIMEOUT_S)
        self._readers = make_readers(self._link)

    async def poll(self) -> Outcome:
        return await poll_units(self._readers)

    async def close(self) -> None:
        await self._link.close()


class Plain:
    """pymodbus, as its examples use it: a loop over units and blocks."""

    def __init__(self, wire: Wire) -> None:
        common: dict[str, Any] = {"timeout": TIMEOUT_S, "retries": RETRIES}
        self._client: Any
        match wire.scheme:
            case "tcp":
                self._client = AsyncModbusTcpClient("127.0.0.1", port=wire.port or 0, **common)
            case "rtu+tcp":
                self._client = AsyncModbusTcpClient(
                    "127.0.0.1", port=wire.port or 0, framer=FramerType.RTU, **common
                )
            case "udp":
                self._client = AsyncModbusUdpClient("127.0.0.1", port=wire.port or 0, **common)
            case _:
                framer = FramerType.ASCII if wire.scheme == "ascii" else FramerType.RTU
                self._client = AsyncModbusSerialClient(
                    wire.path or "", baudrate=115200, framer=framer, **common
                )

    async def poll(self) -> Outcome:
        outcome = Outcome()
        if not self._client.connected:
            with contextlib.suppress(Exception):
                await self._client.connect()
        for unit in UNITS:
            for address, count in BLOCKS:
                words: list[Any] = [None] * count
                try:
                    answer = await self._client.read_holding_registers(
                        address, count=count, device_id=unit
                    )
                    if not answer.isError():
                        words[: len(answer.registers)] = answer.registers[:count]
                except ModbusException:
                    pass
                outcome.judge(unit, {address + n: word for n, word in enumerate(words[:count])})
        return outcome

    async def close(self) -> None:
        self._client.close()


@dataclass
class Cell:
    """How one reader fared with one fault on one wire."""

    right: int = 0
    absent: int = 0
    wrong: int = 0
    back_s: float | None = None
    """How long after the end of the fault everything was read again; None: not within patience."""

    def __str__(self) -> str:
        share = 100 * self.right / max(1, self.right + self.absent + self.wrong)
        wrong = f"**{self.wrong}**" if self.wrong else "0"
        back = "never" if self.back_s is None else f"{self.back_s:.0f} s"
        return f"{share:.0f} % | {wrong} | {back}"


@contextlib.asynccontextmanager
async def served(name: str, folder: Path) -> AsyncIterator[tuple[Misbehaviour, Wire]]:
    """The meters on one wire, what will be wrong with them, and the client's wire to them."""
    async with contextlib.AsyncExitStack() as stack:
        if name in ("rtu", "ascii"):
            modem = await stack.enter_async_context(NullModem())
            here = parse_wire(f"{name}://{modem.one.path}?baudrate=115200")
            there = f"{name}://{modem.other.path}?baudrate=115200"
        else:
            files = ""
            if name == "tls":
                files = f"?cert={folder}/meter.pem&key={folder}/meter.key"
            here = parse_wire(f"{name}://127.0.0.1:0{files}")
            there = ""
        faults = Misbehaviour(SEED)
        meters = {unit: PlainMeter(unit) for unit in UNITS}
        delivery = faults.wire(meters, framing=here.framing, way=here.way)
        server = ModbusServer.at(
            here,
            UnitRouter({unit: meter.tables for unit, meter in meters.items()}),
            delivery=delivery,
        )
        delivery.connections = lambda: server.connections
        await stack.enter_async_context(server)
        if not there:
            ca = f"?ca={folder}/ca.pem" if name == "tls" else ""
            host = "localhost" if name == "tls" else "127.0.0.1"
            there = f"{name}://{host}:{server.port}{ca}"
        yield faults, parse_wire(there)


async def measure(
    name: str, fault: str, make: Callable[[Wire], Poller], folder: Path
) -> Cell | None:
    """Poll before, during and after a fault; None: there is no such fault on this wire."""
    cell = Cell()
    async with served(name, folder) as (faults, wire):
        try:
            faults.check(parse_fault(fault))
        except ConfigError:
            return None
        poller = make(wire)
        try:
            before = await poller.poll()
            assert before.is_whole, (name, make, before)
            faults.add(parse_fault(fault))
            for _ in range(POLLS):
                await asyncio.sleep(INTERVAL_S)
                outcome = await poller.poll()
                cell.right += outcome.right
                cell.absent += outcome.absent
                cell.wrong += len(outcome.wrong)
            faults.clear()
            ended = time.monotonic()
            while time.monotonic() < ended + PATIENCE_S:
                outcome = await poller.poll()
                cell.wrong += len(outcome.wrong)
                if outcome.is_whole:
                    cell.back_s = time.monotonic() - ended
                    break
                await asyncio.sleep(INTERVAL_S)
        finally:
            await poller.close()
    return cell


Key = tuple[str, str, str]


async def all_cells(wires: list[str], faults: list[str]) -> dict[Key, Cell]:
    """Every combination, a few at a time."""
    slots = asyncio.Semaphore(AT_ONCE)
    cells: dict[Key, Cell] = {}
    readers: dict[str, Callable[[Wire], Poller]] = {"ours": Ours, "pymodbus": Plain}
    with tempfile.TemporaryDirectory() as folder_name:
        pki = Pki(Path(folder_name))
        pki.sign("meter")
        folder = Path(folder_name) / "issuer"

        async def one(wire: str, fault: str, who: str) -> None:
            async with slots:
                cell = await measure(wire, fault, readers[who], folder)
                if cell is not None:
                    cells[wire, fault, who] = cell
                print(wire, fault, who, cell, file=sys.stderr, flush=True)

        async with asyncio.TaskGroup() as group:
            for wire in wires:
                for fault in faults:
                    for who in readers if wire != "tls" else ("ours",):
                        group.create_task(one(wire, fault, who))
    return cells


INTRO: Final = """\
# Faults and what becomes of the values

Generated by `python benchmarks/fault_matrix.py`; do not edit.

energymeter {ours_version} beside a plain loop on pymodbus {theirs_version} with its own {retries}
retries, {date}. Three meters share each wire and are polled ten times, three reads of eight
registers each, with a time-out of {timeout:g} s; `:0.3` means that the fault strikes three
exchanges in ten, by chance but from a seed. What each fault is stands in
[the list of faults](fault-list.md).

- *right*: values reported that are the register's, of all that were asked for; what is missing was
  reported as missing, with the reason.
- *wrong*: values reported as right that belong to another register, another unit, or nobody.
- *back*: how long after the fault's end everything is read again, within {patience:.0f} s.

In all: energymeter reported {ours_wrong} wrong values and came back in {ours_back} of {ours} cases;
the plain loop reported {theirs_wrong} wrong values, in {theirs_cases} cases, and came back in
{theirs_back} of {theirs}.

energymeter leaves a unit that stays silent alone for a while when others share its wire
([why](../concepts/link.md)), so one that was dead is back a few seconds later than in a loop that
asks it all the time. With `constant_id` every answer carries the same transaction number: nothing
is believed until the URL says `ids=ignore`. On TLS there is no column for pymodbus: it sends
messages there without the header that Modbus/TCP Security prescribes.
"""


def page(cells: dict[Key, Cell]) -> str:
    """The document."""
    ours = [cell for (_, _, who), cell in cells.items() if who == "ours"]
    theirs = [cell for (_, _, who), cell in cells.items() if who == "pymodbus"]
    intro = INTRO.format(
        ours_version=__version__,
        theirs_version=version("pymodbus"),
        retries=RETRIES,
        date=datetime.now(UTC).date(),
        timeout=TIMEOUT_S,
        patience=PATIENCE_S,
        ours=len(ours),
        ours_wrong=sum(cell.wrong for cell in ours),
        ours_back=sum(cell.back_s is not None for cell in ours),
        theirs=len(theirs),
        theirs_wrong=sum(cell.wrong for cell in theirs),
        theirs_cases=sum(cell.wrong > 0 for cell in theirs),
        theirs_back=sum(cell.back_s is not None for cell in theirs),
    )
    lines = intro.splitlines()
    for wire in WIRES:
        faults = [fault for w, fault, who in cells if w == wire and who == "ours"]
        if not faults:
            continue
        lines += [
            "",
            f"## {wire}",
            "",
            "| fault | right | wrong | back | pymodbus: right | wrong | back |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        order = [*FAULTS, *NUMBERED]
        for fault in sorted(faults, key=order.index):
            beside = cells.get((wire, fault, "pymodbus"), "- | - | -")
            lines.append(f"| `{fault}` | {cells[wire, fault, 'ours']} | {beside} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="this fault; again for more")
    parser.add_argument("--wire", action="append", choices=WIRES, help="likewise")
    asked = parser.parse_args()
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    # Not on uvloop: pymodbus writes to connections that are closed, which only asyncio forgives.
    cells = asyncio.run(all_cells(asked.wire or list(WIRES), asked.only or [*FAULTS, *NUMBERED]))
    text = page(cells)
    if asked.only or asked.wire:
        print(text)
    else:
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
