"""The kinds of faults as a page of the reference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from energymeter.simulator.faults.kind import Kind
from energymeter.simulator.faults.table import KINDS

__all__ = ["fault_list_page"]

_HEAD: Final = """# List of faults

What `energymeter simulate --fault` can do, in the order in which faults act on a request. How to
use them: [make meters misbehave](../howto/misbehaving-meters.md).

```text
KIND[=AMOUNT][:PROBABILITY][,KEY=VALUE]...
```

| key | value | default |
|---|---|---|
| AMOUNT, `amount` | see below; durations as `500ms`, `20s`, `5min`, `1h`, `2d` | see below |
| PROBABILITY, `probability` | above 0, up to 1; for each request it is for | 1 |
| `unit` | unit numbers asked, `3` or `3-9` | all |
| `function` | function codes asked | all |
| `address` | addresses touched, from 0 | all |
| `wire` | wires, the first is 1; in a row of ports, the meter's place in it | all |
| `for` | how long, a duration | until it is removed |
| `times` | how often | see below |

In text `unit`, `function`, `address` and `wire` may stand more than once; in TOML and JSON they
may be lists. There `fault` holds the text, or its beginning and the other keys the rest.

What happens once happens as soon as the fault begins; with a probability, at a request. A range of
durations is drawn from each time.

| kind | what happens | amount | if not given | times | wires |
|---|---|---|---|---|---|
"""


def fault_list_page(kinds: Iterable[Kind] = tuple(KINDS.values())) -> str:
    """The page, as Markdown without a notice of where it comes from."""
    return _HEAD + "\n".join(map(_row, kinds))


def _row(kind: Kind) -> str:
    usual = "needed" if kind.is_amount_needed else kind.usual_text
    times = "" if kind.times is None else str(kind.times)
    cells = (
        f"`{kind.name}`",
        kind.line,
        kind.measure.value,
        usual,
        times,
        kind.where.value,
    )
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")
