from hypothesis import given
from hypothesis import strategies as st

from odoo.tests.common import BaseCase, tagged

from ..sync.merge import changed_paths, digest, overlay, put, value_at

_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_keys = st.sampled_from("abcd")
documents = st.dictionaries(
    _keys,
    st.recursive(_scalars | st.lists(_scalars, max_size=3), lambda inner: st.dictionaries(_keys, inner), max_leaves=6),
)


@tagged("post_install", "-at_install")
class TestMerge(BaseCase):
    @given(documents, documents)
    def test_overlay_is_idempotent(self, last, new):
        once = overlay(last, new)
        self.assertEqual(overlay(once, new), once)

    @given(documents)
    def test_a_document_over_itself_or_nothing_is_itself(self, document):
        self.assertEqual(overlay(document, document), document)
        self.assertEqual(overlay({}, document), document)
        self.assertEqual(overlay(document, {}), document)

    @given(documents, documents)
    def test_overlay_says_what_the_new_document_says_and_keeps_the_rest(self, last, new):
        result = overlay(last, new)
        self.assertEqual(result.keys(), last.keys() | new.keys())
        for key in last.keys() - new.keys():
            self.assertEqual(result[key], last[key])
        for key, value in new.items():
            if not isinstance(value, dict):
                self.assertEqual(result[key], value)

    @given(documents, documents)
    def test_no_changed_path_means_no_change(self, last, new):
        if not changed_paths(last, new, _keys_of(new)):
            self.assertEqual({key: last[key] for key in new}, new)

    @given(documents, st.datetimes().map(str))
    def test_digest_ignores_order_and_time(self, document, time):
        reordered = dict(reversed(document.items()))
        self.assertEqual(digest({**reordered, "updatedAt": time}), digest(document))

    @given(documents, documents)
    def test_digest_tells_documents_apart(self, one, other):
        self.assertEqual(digest(one) == digest(other), _canonical(one) == _canonical(other))

    def test_silence_null_and_a_null_above(self):
        last = {"health": {"bloodGroup": "A", "allergies": ["Nuts"]}, "dob": "2010-01-01"}
        paths = ("health.bloodGroup", "health.allergies", "dob")
        self.assertEqual(changed_paths(last, {}, paths), set())
        self.assertEqual(changed_paths(last, {"dob": None}, paths), {"dob"})
        self.assertEqual(changed_paths(last, {"health": None}, paths), {"health.bloodGroup", "health.allergies"})

    def test_put_makes_the_way(self):
        document = {}
        put(document, "a.b.c", 1)
        put(document, "a.d", 2)
        self.assertEqual(document, {"a": {"b": {"c": 1}, "d": 2}})
        self.assertEqual(value_at(document, "a.b.c"), 1)


def _keys_of(document):
    return list(document)


def _canonical(value):
    """``value`` with True and 1, which Python holds equal and JSON does not, told apart."""
    if isinstance(value, dict):
        return {key: _canonical(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_canonical(below) for below in value]
    return (type(value).__name__, value)
