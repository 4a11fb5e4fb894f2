"""Named bytes: a directory, memory, or any fsspec URL, behind one small contract.

Architecture invariant: this is the only package that imports fsspec, and nothing of fsspec's or
of a cloud library's leaves it. Nothing above may assume more than ``api.ObjectStore`` promises.
"""
