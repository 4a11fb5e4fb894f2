"""One adapter per tool: the tool as its users would use it, behind one face.

Each module here is imported only inside the environment of its tool, except
``base`` and ``catalogue``, which import nothing but the standard library.
"""
