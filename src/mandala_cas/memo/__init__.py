"""Ops: functions whose calls are remembered.

Architecture invariant: nothing here knows where calls are recorded. A ``CallBook`` is handed in
by whoever enters a storage; without one, an op is its plain function.
"""
