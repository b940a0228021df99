"""The benchmark house: starts candidates, measures them in alternating rounds, reports."""
