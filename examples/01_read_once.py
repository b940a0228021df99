"""Read a meter once from a script without asyncio.

Run: python examples/01_read_once.py HOST PORT [PROFILE]
"""

from __future__ import annotations

import sys

from energymeter import BlockingLink, MeterError, ProfileLibrary


def main(host: str, port: int, profile_name: str = "electric") -> int:
    profile = ProfileLibrary().load(profile_name)
    with BlockingLink(host, port, timeout_s=2.0) as link:
        report = link.read(profile)
        for reading in report:
            print(f"{reading.name:<28} {reading.value} {reading.unit} ({reading.quality})")
        for failure in report.failures:
            print(f"not read: {failure.error}", file=sys.stderr)
        return 0 if report.is_complete else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:4]))
    except MeterError as error:
        sys.exit(str(error))
