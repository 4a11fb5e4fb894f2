"""Values, to and from a store: the only place that joins codecs, blobs and the log.

Architecture invariant: bytes are taken before an op's call returns; payload is in the store
before the segment that names it; nothing is decoded before its hash was checked, and nothing
that runs code before its writer was.
"""
