"""The command line: one small file per command; parses, calls, renders."""
