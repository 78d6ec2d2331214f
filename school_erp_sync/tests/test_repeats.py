from odoo.tests.common import tagged

from ..sync import engine
from .common import SyncCase


def _parents(**changes):
    """Return enough parents for repetitions to be recognized; ``changes`` are of the first."""
    documents = [{"externalId": f"PAR-{number}", "name": f"Guardian {number}"} for number in range(25)]
    documents[0] |= changes
    return documents


@tagged("post_install", "-at_install")
class TestRepeats(SyncCase):
    """A batch that comes again word for word is answered as if each document had been read."""

    def test_the_same_batch_again_changes_nothing(self):
        first = self.send_ok("parents", *_parents(phone="+1 650 555 0100"))
        again = self.send_ok("parents", *_parents(phone="+1 650 555 0100"))
        self.assertEqual(set(self.statuses(again)), {"unchanged"})
        self.assertEqual(
            [(item.external_id, item.res_id, item.version) for item in again.items],
            [(item.external_id, item.res_id, item.version) for item in first.items],
        )

    def test_an_earlier_document_is_a_change_again(self):
        for phone in ("+1 650 555 0100", "+1 650 555 0101", "+1 650 555 0100"):
            report = self.send_ok("parents", *_parents(phone=phone))
        self.assertEqual(self.statuses(report), ["updated"] + ["unchanged"] * 24)
        self.assertEqual(self.parent("PAR-0").phone, "+1 650 555 0100")

    def test_warnings_are_told_each_time(self):
        for odd in ({"hobby": "chess"}, {"email": "nobody"}):
            for _time in range(3):
                report = self.send_ok("parents", *_parents(**odd))
                self.assertEqual(len(report.items[0].warnings), 1)

    def test_a_deleted_record_comes_back(self):
        self.send_ok("parents", *_parents())
        engine.archive(self.source, "parents", "PAR-0")
        self.assertFalse(self.parent("PAR-0").active)
        self.assertEqual(self.statuses(self.send_ok("parents", *_parents())), ["updated"] + ["unchanged"] * 24)
        self.assertTrue(self.parent("PAR-0").active)

    def test_a_record_that_is_gone_is_made_anew(self):
        self.send_ok("parents", *_parents())
        gone = self.parent("PAR-0")
        gone.unlink()
        self.assertEqual(self.statuses(self.send_ok("parents", *_parents()))[0], "created")

    def test_an_older_time_is_stale_though_nothing_differs_but_the_time(self):
        older, newer = "2025-05-03T10:00:00Z", "2025-05-03T11:00:00Z"
        for updated_at, status in ((older, "created"), (newer, "unchanged"), (newer, "unchanged"), (older, "stale")):
            report = self.send("parents", *_parents(updatedAt=updated_at))
            self.assertEqual(self.statuses(report)[0], status)

    def test_twice_in_one_request_is_refused_though_one_is_a_repetition(self):
        self.send_ok("parents", *_parents())
        for name in ("PAR-0", " PAR-0 "):
            report = self.send("parents", *_parents(), {"externalId": name, "name": "Somebody Else"})
            self.assertEqual(self.statuses(report), ["failed"] + ["unchanged"] * 24 + ["failed"])

    def test_what_a_guardian_says_of_a_student_is_compared_anew_after_the_student_has_said_otherwise(self):
        student = {"externalId": "STU-1", "fullName": "Asha Rao"}
        self.send_ok("students", student)
        documents = _parents(students=[{"externalId": "STU-1", "pickup": True}])
        self.send_ok("parents", *documents)
        self.send_ok("students", {**student, "parents": [{"externalId": "PAR-0", "pickup": False}]})
        self.send_ok("parents", *documents)
        link = self.student("STU-1").link_ids
        self.assertTrue(link.pickup)
