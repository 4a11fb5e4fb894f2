"""Upkeep: what keeps a store fast, small and whole. Compaction, collection, verification, health.

Architecture invariant: nothing here is needed for a right answer. Every step may be left out,
be cut off at any moment, or run in several processes at once; a store that is never kept up is
slow and large, and not wrong.
"""
