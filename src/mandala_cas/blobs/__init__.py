"""Payload by hash: value envelopes, packs of them, and loose blobs.

Architecture invariant: a payload's name is its content, or that of the pack around it. Nothing
here knows which values a store should hold; the log says that.
"""
