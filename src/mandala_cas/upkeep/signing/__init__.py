"""Signing: a user vouches for pickles that others wrote.

Architecture invariant: nothing is signed whose bytes were not just read and found to be what the
record says; and nothing is decoded, for that would run the code in question.

Begin at ``sign.sign``; what it did is in ``report``.
"""
