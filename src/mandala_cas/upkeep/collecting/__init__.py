"""Freeing of payload: garbage in any store, and local bytes that another store holds as well.

Architecture invariant: nothing is deleted that was not announced first and found unneeded in a
log that was read after the announcement; what a writer relies on in between, it puts again.

Begin at ``collect.collect``, with ``collect.plan_collection`` for a dry run, and ``evict.evict``.
"""
