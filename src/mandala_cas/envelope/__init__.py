"""The frame around every object: what kind it is, that it is whole, and who wrote it.

Architecture invariant: pure functions from bytes to bytes. ``docs/reference/format.md`` is
normative; the layout is drawn in ``mandala_cas.envelope.seal``.
"""
