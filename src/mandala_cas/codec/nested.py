"""Containers of anything that a codec takes which runs no code.

The payload is a document, and behind it, where there are any, the leaves: parts that are stored by
codecs of their own, each once, and without a copy of large ones. ``docs/reference/format.md`` draws
both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mandala_cas.codec.api import DeclinedError, Encoding
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.file_contents import ENTRIES_MAX
from mandala_cas.codec.files import DirCodec, FileCodec
from mandala_cas.codec.files_within import located
from mandala_cas.codec.leaf_table import read_leaves, write_leaves
from mandala_cas.codec.leaves import LeafCodecs
from mandala_cas.codec.nested_document import Form, NestedLowering, NestedRaising
from mandala_cas.codec.nested_forms import INSTANCE_FORMS, find_instance_form
from mandala_cas.codec.object_arrays import ARRAY_FORMS, find_array_form
from mandala_cas.codec.plain import CONTAINERS
from mandala_cas.codec.tracked_files import TrackedDirCodec, TrackedFileCodec, places_of_leaves
from mandala_cas.errors import UsageError
from mandala_cas.model.files import Dir, File

NAME: Final = "nested"

_OF_FILES: Final = frozenset(
    {FileCodec.name, DirCodec.name, TrackedFileCodec.name, TrackedDirCodec.name}
)
_FORMS: Final[Mapping[bytes, Form]] = {form.name: form for form in (*INSTANCE_FORMS, *ARRAY_FORMS)}


class NestedCodec:
    """Tuples, lists, dicts and sets of anything that safe codecs take, and what is like them.

    What is like them: named tuples, members of enumerations, instances of dataclasses, the
    containers of ``collections``, and arrays of NumPy that hold objects or a mask. A part that
    stands in several places comes back as one. Declined is what contains itself, and what has a
    part that only a codec which runs code would take.
    """

    name = NAME
    version = 1
    runs_code = False

    def __init__(self, leaf_codecs: LeafCodecs) -> None:
        """Have the leaves encoded and decoded by ``leaf_codecs``."""
        self._codecs = leaf_codecs

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a container; its parts may have no codec."""
        return type(value) in CONTAINERS or _find_form(value) is not None

    def encode(self, value: Any) -> Encoding:
        """Return the document, and the leaves as their codecs gave them."""
        return self._encode(value, Digests())

    def encode_with_files(self, values: Sequence[Any], digests: Digests) -> list[Encoding]:
        """Return the documents and the leaves; what files held is noted in ``digests``."""
        return [self._encode(value, digests) for value in values]

    def _encode(self, value: Any, digests: Digests) -> Encoding:
        """Return document and leaves."""
        lowering = NestedLowering(self._codecs, _find_form)
        try:
            document = lowering.document(value)
            leaves = lowering.leaves(digests)
        except DeclinedError:
            raise
        except UsageError as error:
            raise located(value, error) from error
        except RecursionError:
            raise DeclinedError("the value is nested too deeply for the stack left") from None
        if not leaves:
            return {}, (document,)
        kinds_size, payload = write_leaves(document, leaves)
        header = {"document": len(document), "kinds": kinds_size, "leaves": len(leaves)}
        places = places_of_leaves((leaf.codec_name, leaf.header) for leaf in leaves)
        return {**header, "tracked": places} if places else header, payload

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the value."""
        if not header:
            return NestedRaising(self._codecs, _FORMS, ()).value(payload)
        size = header["document"]
        leaves = read_leaves(payload, size, header["kinds"], header["leaves"])
        if sum(leaf.codec_name in _OF_FILES for leaf in leaves) > ENTRIES_MAX:
            # A few bytes each would fill a disk with names.
            raise ValueError(f"a value with more than {ENTRIES_MAX} files in it")
        return NestedRaising(self._codecs, _FORMS, leaves).value(payload[:size])


def _find_form(value: Any) -> Form | None:
    """Return the form of a container that is not plain."""
    if isinstance(value, File | Dir):
        # Dataclasses as well, but what counts of them is what is in the files.
        return None
    return find_array_form(value) or find_instance_form(type(value))
