from hypothesis import given
from hypothesis import strategies as st

from odoo.tests.common import BaseCase, tagged

from ..sync import parts
from ..sync.merge import digest, equal, merge, overlay, put, value_at

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
            self.assertEqual(new.keys() - last.keys(), set())
            for key, value in new.items():
                self.assertTrue(equal(last[key], value))

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


_KEYS = "abcd"
records = st.fixed_dictionaries({key: st.sampled_from([None, "x", "y", "z"]) for key in _KEYS})


def merged(base, ours, theirs):
    """Both sides' edits of ``base`` put together, where they do not clash; and the parts that do."""
    result = merge(base, ours, {path: theirs[path] for path in changed_paths(base, theirs, _KEYS)})
    return {**ours, **{path: theirs[path] for path in result.theirs}}, {clash.path for clash in result.clashes}


@tagged("post_install", "-at_install")
class TestThreeWayMerge(BaseCase):
    @given(records, records, records)
    def test_what_neither_side_changed_does_not_change_and_what_one_did_does(self, base, ours, theirs):
        result, clashes = merged(base, ours, theirs)
        for key in _KEYS:
            if key in clashes:
                self.assertEqual(result[key], ours[key])
            elif ours[key] == base[key]:
                self.assertEqual(result[key], theirs[key])
            elif theirs[key] == base[key]:
                self.assertEqual(result[key], ours[key])

    @given(records, records, records)
    def test_a_clash_is_where_both_changed_and_not_to_the_same(self, base, ours, theirs):
        _result, clashes = merged(base, ours, theirs)
        both = {key for key in _KEYS if ours[key] != base[key] and theirs[key] != base[key]}
        self.assertEqual(clashes, {key for key in both if ours[key] != theirs[key]})

    @given(records, records, records)
    def test_merging_again_changes_nothing(self, base, ours, theirs):
        result, clashes = merged(base, ours, theirs)
        self.assertEqual(merged(base, result, theirs), (result, clashes))
        # Once it is applied, it is what both sides agree on, but for the clashes.
        again, none = merged({**theirs, **{key: base[key] for key in clashes}}, result, theirs)
        self.assertEqual((again, none), (result, clashes))

    @given(records, records, records, st.sets(st.sampled_from(_KEYS)))
    def test_both_orders_of_edits_that_do_not_overlap_agree(self, base, one, other, share):
        one = {key: one[key] if key in share else base[key] for key in _KEYS}
        other = {key: base[key] if key in share else other[key] for key in _KEYS}
        self.assertEqual(merged(base, one, other), merged(base, other, one))

    @given(records, records)
    def test_who_is_alone_gets_everything(self, base, side):
        self.assertEqual(merged(base, base, side), (side, set()))
        self.assertEqual(merged(base, side, base), (side, set()))

    def test_nothing_is_said_in_many_ways(self):
        for nothing in (None, False, "", [], {}):
            self.assertTrue(equal(nothing, None))
            self.assertFalse(equal(nothing, "x"))


def changed_paths(last, new, paths):
    return parts.changed_paths(None, {path: parts.Part() for path in paths}, last, new)


def _keys_of(document):
    return list(document)


def _canonical(value):
    """``value`` with True and 1, which Python holds equal and JSON does not, told apart."""
    if isinstance(value, dict):
        return {key: _canonical(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_canonical(below) for below in value]
    return (type(value).__name__, value)
