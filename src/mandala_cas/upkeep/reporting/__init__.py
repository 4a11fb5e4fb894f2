"""How a store does: how much it holds, and whether anybody keeps it up.

Architecture invariant: it writes nothing and reads no payload; it tells what a view of the log
already knows.

Begin at ``stats.find_stats`` and ``health.health``; ``monitor`` counts what this process failed at.
"""
