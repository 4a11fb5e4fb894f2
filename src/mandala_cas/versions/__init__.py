"""What code an op is made of.

Architecture invariant: looking at code never runs it, and never fails; code that has no source
is told apart by its bytecode.
"""
