"""Everything a notebook needs: ``from mandala_cas.imports import *``."""

from mandala_cas.codec.hooks import register_codec, register_hasher
from mandala_cas.memo.collection_types import MDict, MList, MSet, MTuple
from mandala_cas.memo.notes import Codec, Hash
from mandala_cas.memo.op import op
from mandala_cas.memo.pausing import noop
from mandala_cas.memo.special import Ignore, NewArgDefault
from mandala_cas.model.calls import Call
from mandala_cas.model.collection_refs import DictRef, ListRef, SetRef, TupleRef
from mandala_cas.model.files import Dir, File
from mandala_cas.model.pointers import ValuePointer
from mandala_cas.model.refs import AtomRef, Ref
from mandala_cas.storage.storage import Storage

__all__ = [
    "AtomRef",
    "Call",
    "Codec",
    "DictRef",
    "Dir",
    "File",
    "Hash",
    "Ignore",
    "ListRef",
    "MDict",
    "MList",
    "MSet",
    "MTuple",
    "NewArgDefault",
    "Ref",
    "SetRef",
    "Storage",
    "TupleRef",
    "ValuePointer",
    "noop",
    "op",
    "register_codec",
    "register_hasher",
]
