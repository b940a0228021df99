"""`energymeter frame`: explain the bytes of a frame."""

from __future__ import annotations

import re

import click

from energymeter.codec.explain import explain_frame

__all__ = ["command"]


@click.command("frame")
@click.argument("digits", metavar="HEX", nargs=-1, required=True)
def command(digits: tuple[str, ...]) -> int:
    """Explain a Modbus frame in words.

    HEX is its bytes as hexadecimal digits, with or without spaces, colons, commas, 0x in front
    of each: "00 01 00 00 00 06 01 03 00 00 00 02". Modbus TCP and RTU frames are told apart;
    one that begins with a colon is ASCII.

    Exit code 1 means something is wrong with the frame.
    """
    line = "".join(digits).strip()
    if re.fullmatch(r":(?:[0-9A-Fa-f]{2}){3,}", line):
        return _show(line.encode() + b"\r\n")
    text = re.sub(r"0[xX]|\\x|[\s:,;.\[\]<>-]", "", " ".join(digits))
    wrong = re.search(r"[^0-9A-Fa-f]", text)
    if wrong:
        msg = f"{wrong.group()!r} is not a hexadecimal digit, write bytes like 01 03 00 00"
        raise click.UsageError(msg)
    if not text or len(text) % 2:
        msg = f"{len(text)} hexadecimal digits are not whole bytes, each needs two"
        raise click.UsageError(msg)
    return _show(bytes.fromhex(text))


def _show(data: bytes) -> int:
    explanation = explain_frame(data)
    click.echo(explanation.summary)
    for part in explanation.parts:
        click.echo(f"  {part.data.hex(' ').upper():<18} {part.meaning}".rstrip())
    return 0 if explanation.is_sound else 1
