"""The page of the reference that lists every metric there is, made of the tables themselves."""

from __future__ import annotations

from collections.abc import Iterator

from energymeter.values.exposition import prometheus_name
from energymeter.values.quantities import quantities
from energymeter.web.own_metrics import GROUPS

__all__ = ["metrics_page"]

_HEAD = """# Metrics

What `/metrics` of a running service tells. How to have Prometheus ask for it:
[Prometheus](../howto/prometheus.md).
"""

_LABELLED = """\
Labels `meter`, `profile` and `link` are followed by the labels of the site file, with `_` for
what Prometheus takes in no name, and `label_` in front of one that is taken (`job`, `unit`).
"""

_VALUES = """## Values of meters

Only with a sink of the type `prometheus`. The name of a metric is that of the value, with the
base unit of its quantity: meters that tell Wh and meters that tell MWh have one metric, in joules.
`_phase_a`, `_total`, `_tariff_1` and the like stand before the unit, as in
`energymeter_voltage_phase_a_volts`. Labels: `meter`, `profile`, `link`, those of the site, and
`point` where a meter has two values of one metric. Text has no metric.

A value that is not good has no sample, and neither has one that was not renewed for
`stale_after`, by default three intervals of its meter. A counter that runs into the negative is
told with its sign turned round; one that is below zero otherwise has no sample, for Prometheus
knows no such counter. One whose meter was exchanged starts again, as `rate()` expects.

| value | metric | kind |
|---|---|---|
"""


def metrics_page() -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD, *_own(), _VALUES + "\n".join(_values())]) + "\n"


def _own() -> Iterator[str]:
    for title, (labels, families) in GROUPS.items():
        lines = [f"## {title}", ""]
        if "meter" in labels:
            lines += [_LABELLED]
        elif labels:
            lines += [f"Labels: {', '.join(f'`{label}`' for label in labels)}.", ""]
        lines += ["| metric | kind | meaning |", "|---|---|---|"]
        lines += [f"| `{each.name}` | {each.kind} | {each.help} |" for each in families]
        yield "\n".join(lines) + "\n"


def _values() -> Iterator[str]:
    for quantity in quantities():
        if quantity.is_setting:
            continue
        metric, _ = prometheus_name(quantity.name, quantity.unit, quantity.is_counter)
        kind = "counter" if quantity.is_counter else "gauge"
        yield f"| `{quantity.name}` | `{metric}` | {kind} |"
