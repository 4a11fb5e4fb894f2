"""The nouns: ids, refs, calls and what a log can say about them.

Architecture invariant: no I/O, no tables, no bytes on disk. Everything here can be made and
compared without a store.
"""
