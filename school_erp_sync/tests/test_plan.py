from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests.common import BaseCase, tagged

from ..sync.merge import digest
from ..sync.plan import Action, Known, decide

START = datetime(2025, 1, 1, tzinfo=timezone.utc)

contents = st.fixed_dictionaries(
    {"name": st.sampled_from("xyz")}, optional={"phone": st.sampled_from(["1", "2", None])}
)
minutes = st.integers(min_value=0, max_value=60)


def document(content, minute=None):
    timed = {} if minute is None else {"updatedAt": (START + timedelta(minutes=minute)).isoformat()}
    return {"externalId": "A", **content, **timed}


def apply(known, arrived):
    """What is known after ``arrived`` was decided upon, and the decision."""
    decision = decide(known, arrived, digest(arrived))
    if decision.action in (Action.CREATE, Action.UPDATE, Action.UNCHANGED):
        known = Known(decision.document, decision.digest, decision.updated_at)
    return known, decision


@tagged("post_install", "-at_install")
class TestPlan(BaseCase):
    @given(contents, minutes | st.none())
    def test_new_is_created_and_again_is_unchanged(self, content, minute):
        known, decision = apply(None, document(content, minute))
        self.assertIs(decision.action, Action.CREATE)
        again, decision = apply(known, document(content, minute))
        self.assertIs(decision.action, Action.UNCHANGED)
        self.assertEqual(again, known)

    @given(st.lists(st.tuples(contents, minutes), min_size=1, max_size=8))
    def test_older_never_overwrites_newer(self, arrivals):
        known = None
        for content, minute in arrivals:
            before = known
            known, decision = apply(known, document(content, minute))
            if before and START + timedelta(minutes=minute) < before.updated_at:
                self.assertIs(decision.action, Action.STALE)
                self.assertEqual(known, before)
            else:
                self.assertIsNot(decision.action, Action.STALE)

    @given(st.lists(st.tuples(contents, minutes), min_size=1, max_size=6, unique_by=lambda pair: pair[1]), st.randoms())
    def test_whole_documents_end_in_the_newest_whatever_their_order(self, arrivals, random):
        arrivals = [({"phone": None, **content}, minute) for content, minute in arrivals]
        newest = document(*max(arrivals, key=lambda pair: pair[1]))
        random.shuffle(arrivals)
        known = None
        for content, minute in arrivals:
            known, _decision = apply(known, document(content, minute))
        self.assertEqual(known.digest, digest(newest))
        self.assertEqual(known.updated_at.isoformat(), newest["updatedAt"])

    @given(contents, contents)
    def test_without_times_the_order_of_arrival_counts(self, first, second):
        known, _decision = apply(None, document(first))
        known, decision = apply(known, document(second))
        self.assertIsNot(decision.action, Action.STALE)
        self.assertEqual(known.document["name"], second["name"])

    @given(contents)
    def test_part_of_what_is_known_is_unchanged(self, content):
        known, _decision = apply(None, document({**content, "email": "a@example.com"}))
        _known, decision = apply(known, document(content))
        self.assertIs(decision.action, Action.UNCHANGED)

    @given(contents, minutes, minutes)
    def test_unchanged_but_newer_moves_the_time(self, content, earlier, later):
        earlier, later = sorted((earlier, later))
        known, _decision = apply(None, document(content, earlier))
        known, decision = apply(known, document(content, later))
        self.assertIs(decision.action, Action.UNCHANGED)
        self.assertEqual(known.updated_at, START + timedelta(minutes=later))

    @given(contents, minutes, minutes)
    def test_older_than_what_waits_is_stale_as_well(self, content, waiting, minute):
        since = START + timedelta(minutes=waiting)
        decision = decide(None, document(content, minute), "", since)
        self.assertIs(decision.action, Action.STALE if minute < waiting else Action.CREATE)
        self.assertEqual(decide(None, document(content), "", since).updated_at, since)

    @given(contents)
    def test_deleted_comes_back_even_unchanged(self, content):
        known, _decision = apply(None, document(content))
        deleted = Known(known.document, known.digest, known.updated_at, deleted=True)
        self.assertIs(decide(deleted, document(content), known.digest).action, Action.UPDATE)
