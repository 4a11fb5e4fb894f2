"""Verification: what of a store breaks a promise, and whose calls that harms.

Architecture invariant: it writes nothing, decodes no value, and takes nothing from what a process
has in memory. Only ``repairing`` builds on it.

Begin at ``fsck.verify``; what it finds is in ``findings``.
"""
