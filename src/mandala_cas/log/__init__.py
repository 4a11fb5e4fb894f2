"""The manifest log: the only record of what was called, and of where values are.

Architecture invariant: a segment is never changed and never ordered; reading the same segments in
any order gives the same state. Everything derived can be rebuilt from here, and nothing here can
be rebuilt from anywhere.
"""
