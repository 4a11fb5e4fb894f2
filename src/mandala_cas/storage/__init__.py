"""The façade: composes the layers below into what a user holds, and decides little itself.

Architecture invariant: this package and ``cli`` are the only ones that read the environment.
"""
