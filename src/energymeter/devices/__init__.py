"""Meters declared in Python, in the form of the original reader; put your own beside it."""
