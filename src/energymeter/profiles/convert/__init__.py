"""Profiles from other forms and into them: collected facts, TOML, the files of other programs."""

from energymeter.profiles.convert.facts import from_facts, load_facts, to_facts
from energymeter.profiles.convert.naming import profile_name
from energymeter.profiles.convert.toml import to_toml

__all__ = ["from_facts", "load_facts", "profile_name", "to_facts", "to_toml"]
