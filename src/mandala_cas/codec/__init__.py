"""Values and bytes: what a value is (content ids), and how it is kept (codecs).

Architecture invariant: nothing of stores. A content id is taken of a canonical encoding
(``docs/reference/hashing.md`` is normative) and never of the bytes that a codec writes, so that
codecs may change without a value becoming another.

Architecture invariant: only ``pickles`` runs code that a writer chose.
"""
