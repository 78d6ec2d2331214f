from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests.common import BaseCase, tagged

from ..sync.names import split_name
from ..sync.status import Outcome, Progress, decide_status

TIMES = [None, "2025-05-03T10:00:00Z", "2025-05-03T11:00:00Z"]
STATUSES = st.fixed_dictionaries(
    {"version": st.integers(1, 4), "status": st.sampled_from(["success", "error"])},
    optional={
        "teacherId": st.sampled_from(["T-1", "T-2"]),
        "message": st.sampled_from(["no e-mail", "no job"]),
        "syncedAt": st.sampled_from(TIMES),
    },
)
EDIT = "edit"


@tagged("post_install", "-at_install")
class TestDecideStatus(BaseCase):
    @given(st.lists(st.one_of(st.just(EDIT), STATUSES), max_size=12))
    def test_nothing_is_falsely_called_synced(self, events):
        known, settled = Progress(version=1, state="pending"), None
        for event in events:
            if event == EDIT:
                known, settled = replace(known, version=known.version + 1, state="pending", said_at=None), None
                continue
            outcome, known = decide_status(known, event)
            if outcome in (Outcome.SYNCED, Outcome.ERROR):
                settled = event
        if settled is None:
            self.assertEqual(known.state, "pending")
        else:
            self.assertEqual(settled["version"], known.version)
            self.assertEqual(known.state, "synced" if settled["status"] == "success" else "error")

    @given(st.lists(STATUSES, max_size=6), STATUSES)
    def test_said_twice_is_said_once(self, before, status):
        known = Progress(version=2, state="pending")
        for earlier in before:
            _outcome, known = decide_status(known, earlier)
        first, once = decide_status(known, status)
        second, twice = decide_status(once, status)
        self.assertEqual(once, twice)
        expected = Outcome.REPEATED if first in (Outcome.SYNCED, Outcome.ERROR) else first
        self.assertEqual(second, expected)

    def test_names(self):
        for name, parts in {
            "Asha Rao": ("Asha", None, "Rao"),
            "Asha Kumari Devi Rao": ("Asha", "Kumari Devi", "Rao"),
            "Rao, Asha Kumari": ("Asha", "Kumari", "Rao"),
            "van der Berg,  Jan": ("Jan", None, "van der Berg"),
            "Madonna": ("Madonna", None, None),
            "Rao,": ("Rao", None, None),
            "Barry Tanner II": ("Barry", None, "Tanner"),
            "John Smith, Jr.": ("John", None, "Smith"),
            "Maria De La Cruz": ("Maria", None, "De La Cruz"),
            "Dr. Jane Doe": ("Jane", None, "Doe"),
            "": (None, None, None),
            False: (None, None, None),
        }.items():
            with self.subTest(name):
                self.assertEqual(tuple(split_name(name)), parts)

    @given(st.text(max_size=40))
    def test_whatever_is_called_a_name_has_a_first_part(self, name):
        self.assertEqual(bool(split_name(name).first), bool(name.strip()))

    @given(st.lists(st.sampled_from(("Asha", "Kumari", "Rao", "Sharma", "Iyer", "Kim", "Tan")), min_size=1, max_size=5))
    def test_no_word_of_a_plain_name_is_lost(self, words):
        self.assertEqual(" ".join(filter(None, split_name(" ".join(words)))).split(), words)
