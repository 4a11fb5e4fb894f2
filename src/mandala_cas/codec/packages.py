"""Which packages the codecs of mandala-cas need to read what they wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mandala_cas.errors import UnsupportedFormatError

# Every codec of mandala-cas by name, with what `pip install` makes it work; None where that is
# mandala-cas itself. Names are reserved: no user can register another codec under one.
NEEDED: Final[Mapping[str, str | None]] = {
    "plain": None,
    "nested": None,
    "collection": None,
    "file": None,
    "dir": None,
    "tracked-dir": None,
    "tracked-file": None,
    "ndarray": "numpy",
    "sparse": "scipy",
    "pandas": "pandas pyarrow",
    "pandas-scalar": "pandas",
    "polars": "polars pyarrow",
    "arrow": "pyarrow",
    "tensors": "torch jax",
    "image": "Pillow",
    "skops": "skops",
    "parquet": "pandas polars pyarrow",
    "pickle": None,
}


def missing_package(codec_name: str, error: ImportError) -> UnsupportedFormatError:
    """Return the error for a codec that could not import what it needs."""
    needed = NEEDED.get(codec_name)
    module = (error.name or "").partition(".")[0]
    if needed is None:
        what = f"module {module!r}" if module else "something that cannot be imported"
        return UnsupportedFormatError(
            f"a value was written by codec {codec_name!r}, which needs {what} here ({error}); "
            "install the package that has it",
            codec_name=codec_name,
            package=module or None,
        )
    package = module if module in needed.split() else needed
    return UnsupportedFormatError(
        f"a value was written by codec {codec_name!r}, which needs {package} here ({error}); "
        f"run: pip install {package}",
        codec_name=codec_name,
        package=package,
    )


def unknown_codec(codec_name: str) -> UnsupportedFormatError:
    """Return the error for a value whose codec this process does not have."""
    needed = NEEDED.get(codec_name)
    if needed is not None:
        return UnsupportedFormatError(
            f"a value was written by codec {codec_name!r}, which needs {needed} and is not here; "
            f"run: pip install {needed}",
            codec_name=codec_name,
            package=needed,
        )
    return UnsupportedFormatError(
        f"a value was written by codec {codec_name!r}, which is not here; register it as the "
        "writer did, with register_codec, or upgrade mandala-cas if it is one of its own",
        codec_name=codec_name,
    )
