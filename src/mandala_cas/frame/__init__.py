"""Computation frames: sets of calls, seen through a graph of variables and functions.

Every query is a function from graphs to graphs, or from a graph to a table. ``graph`` is the
noun; ``making`` and ``expand`` make graphs; ``histories``, ``disjunction`` and ``cells`` turn one
into a table; ``layout`` and ``render`` turn one into a picture; ``computation_frame`` puts them
behind one face.

Architecture invariant: a frame holds integer codes, never values; it runs no op and writes
nothing. No step of the engine visits refs or calls one by one, and none recurses.
"""
