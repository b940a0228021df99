"""The version, in one place; semantic (semver.org)."""

__version__ = "0.1.0"
