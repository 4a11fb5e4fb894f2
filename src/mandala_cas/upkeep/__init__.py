"""Upkeep: what keeps a store fast, small and whole.

Architecture invariant: nothing here is needed for a right answer. Every step may be left out,
be cut off at any moment, or run in several processes at once; a store that is never kept up is
slow and large, and not wrong.

Each kind of upkeep has a room: ``compacting``, ``collecting``, ``verifying``, ``repairing``,
``signing``, ``reporting``. Rooms do not know each other, but that repair and signing build on
verification. What they share lies here: how reports look, how amounts are counted, where the log
places values, which of them run code, and how values are put on record.
"""
