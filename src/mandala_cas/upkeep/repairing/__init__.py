"""Repair: what verification found, mended as far as anything has the bytes.

Architecture invariant: what can be had is placed anew before anything is put aside, and what is
put aside is moved below ``bad/``, never deleted.

Begin at ``repair.repair``; what it did is in ``report``.
"""
