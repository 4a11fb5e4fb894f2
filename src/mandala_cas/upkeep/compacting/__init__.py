"""Compaction: the log in fewer objects, for whoever reads it next.

Architecture invariant: a row of the log leaves the store only with an object that one visible run
stands for, read back whole; whoever dies in between leaves the same rows twice, and nothing else.

Begin at ``compact.compact``; ``plan.is_due`` says cheaply whether it would have anything to do.
"""
