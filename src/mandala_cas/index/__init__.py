"""What is known, derived from the log: point lookups for calls, tables for questions.

Architecture invariant: an index can be deleted and made again from the log, and comes out the
same in whatever order the log arrived. ``lookup`` and ``kept`` need no Polars; ``replay`` does.
"""
