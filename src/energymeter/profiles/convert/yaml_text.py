"""YAML in and out. Reading needs PyYAML (extra `yaml`); what we write is plain enough without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from energymeter.errors import ConfigError, ProfileError

__all__ = ["load_yaml", "yaml_text"]


def load_yaml(text: str, origin: str) -> Any:  # noqa: ANN401 - any document
    """The document; tags such as Home Assistant's `!secret` become their text.

    Raises:
        ConfigError: PyYAML is not installed.
        ProfileError: It is not YAML.
    """
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError as error:
        msg = f"{origin}: reading YAML needs PyYAML, install energymeter[yaml]"
        raise ConfigError(msg) from error

    class Loader(yaml.SafeLoader):
        """Never makes objects."""

    def tagged(_loader: object, suffix: str, node: Any) -> str:  # noqa: ANN401 - a node of PyYAML
        return f"!{suffix} {node.value if isinstance(node.value, str) else ''}".strip()

    Loader.add_multi_constructor("!", tagged)
    try:
        return yaml.load(text, Loader)  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        msg = f"{origin}: is not YAML: {reason}"
        raise ProfileError(msg) from error


def yaml_text(document: Any) -> str:  # noqa: ANN401 - lists, tables and plain values
    """A document in block style."""
    return "\n".join(_lines(document, 0)) + "\n"


def _lines(value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401 - likewise
    indent = "  " * depth
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                yield f"{indent}{key}:"
                yield from _lines(item, depth + 1)
            else:
                yield f"{indent}{key}: {_scalar(item)}"
    else:
        for item in value:
            first, *others = _lines(item, depth + 1)
            yield f"{indent}- {first.strip()}"
            yield from others


def _scalar(value: Any) -> str:  # noqa: ANN401 - likewise
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text if len(text) <= 14 else f"{float(value)!r}"
    return json.dumps(value, ensure_ascii=False)
