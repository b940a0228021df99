"""The import names of the original reader; everything lives in energymeter."""
