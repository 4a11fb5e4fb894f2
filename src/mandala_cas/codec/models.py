"""Estimators of scikit-learn, as archives of skops: nothing in them can run code.

Only where skops is installed, and only what is made of types that skops itself trusts, when it is
written and again when it is read. Everything else is left to pickle: estimators with functions of
a user's, and trees, whose nodes skops does not trust.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.skops_archive import check_archive, normalized
from mandala_cas.errors import UnsupportedFormatError, UntrustedError
from mandala_cas.objectstore.api import Buffer


class ModelCodec:
    """Estimators, transformers and pipelines of scikit-learn that skops trusts."""

    name = "skops"
    version = 1
    runs_code = False
    is_fragile = True

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is an estimator of scikit-learn's own, and skops is there for it."""
        base = sys.modules.get("sklearn.base")
        return (
            base is not None
            and isinstance(value, base.BaseEstimator)
            and type(value).__module__.partition(".")[0] == "sklearn"
            and importlib.util.find_spec("skops") is not None
        )

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the archive, after reading it back: skops does not promise to keep all."""
        skops = _import_skops()
        try:
            archive = normalized(skops.dumps(value))
            is_trusted = not skops.get_untrusted_types(data=archive)
            is_kept = is_trusted and (
                content_id(skops.loads(archive, trusted=[])) == content_id(value)
            )
        except Exception as error:
            # Whatever skops, or an estimator that it builds, trips over: pickle may not.
            raise DeclinedError(f"skops cannot keep this estimator: {error}") from error
        if not is_trusted:
            raise DeclinedError("skops does not trust all types in this estimator")
        if not is_kept:
            raise DeclinedError("this estimator would not come back as it is")
        return {}, (archive,)

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the estimator."""
        if header:
            raise ValueError("the header of a model says nothing")
        archive = bytes(payload)
        check_archive(archive)
        skops = _import_skops()
        untrusted = skops.get_untrusted_types(data=archive)
        if untrusted:
            raise UntrustedError(
                "cannot load an estimator of scikit-learn: it has parts of types that skops does "
                f"not trust here ({', '.join(untrusted)}); upgrade skops if it is older than the "
                "writer's, or recompute the value",
                types=untrusted,
            )
        try:
            return skops.loads(archive, trusted=[])
        except (ImportError, AttributeError) as error:
            raise UnsupportedFormatError(
                f"cannot load an estimator of scikit-learn: {error}; install the version of "
                "scikit-learn that it was written with",
                found=str(error),
            ) from error


def _import_skops() -> Any:
    """Return the part of skops that reads and writes.

    Raises:
        UnsupportedFormatError: it is not installed.
    """
    try:
        import skops.io  # noqa: PLC0415 (heavy)
    except ImportError as error:
        raise UnsupportedFormatError(
            "cannot load an estimator of scikit-learn: the package skops is not installed here; "
            "install it, for example with pip install 'mandala-cas[models]'",
            package="skops",
        ) from error
    return skops.io
