"""Kinds of other projects, as these ship them: `python -m tests.others` fetches their CRDs."""
