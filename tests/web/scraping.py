"""The readers of Prometheus's own Python client, and what is read from a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Read", "read_openmetrics", "read_text"]

Read = Callable[[str], Iterable[Any]]

read_text: Read = text_string_to_metric_families
read_openmetrics: Read = openmetrics_parser.text_string_to_metric_families
