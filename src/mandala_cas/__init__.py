"""Remember every call of your functions, on any object store, and query what was computed."""

from mandala_cas._version import __version__

__all__ = ["__version__"]
