import copy
import random
from datetime import date, datetime
from pathlib import Path
from unittest.mock import patch

import psycopg2

from odoo.exceptions import AccessError, ConcurrencyError, UserError
from odoo.tests.common import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ..contract.application import APPLICATION_WORDS
from ..contract.enrollment import ENROLLMENT_WORDS
from ..sync import engine, outbound
from .common import STUDENT, SyncCase

APPLICATION = {
    "externalId": "APP-2025-000123",
    "status": "approved",
    "academicYear": "2025-2026",
    "gradeApplied": "Grade 8",
    "section": "A",
    "submittedAt": "2025-05-03T10:12:44Z",
    "decidedAt": "2025-05-05T09:00:00Z",
}
ENROLLMENT = {
    "externalId": "ENR-1",
    "studentExternalId": STUDENT["externalId"],
    "academicYear": "2025-2026",
    "gradeLevel": 8,
    "sectionId": "B",
    "startDate": "2025-06-01",
    "endDate": "2026-04-01",
    "status": "active",
}
ROSTER = {
    "event": "roster.assignment.completed",
    "studentExternalId": STUDENT["externalId"],
    "classId": "GRADE8",
    "sectionId": "A",
    "rollNo": "8A-023",
    "start": "2025-06-01",
}
FEES = {
    "externalId": "FEE-1",
    "studentExternalId": STUDENT["externalId"],
    "heads": [{"code": "SCHOOL_FEE", "amount": 100}],
    "total": 100,
}
ROSTER_ID = "STU-APP-2025-000123/GRADE8/2025-06-01"


class AcademicCase(SyncCase):
    def application(self, external_id=APPLICATION["externalId"]):
        return self._record("applications", external_id)

    def enrollment(self, external_id=ENROLLMENT["externalId"]):
        return self._record("enrollments", external_id)

    def assignment(self, external_id=ROSTER_ID):
        return self._record("roster-assignments", external_id)

    def queries(self, entity, documents):
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        self.send_ok(entity, *documents)
        self.env.flush_all()
        return self.env.cr.sql_log_count - before

    def assert_queries_do_not_grow(self, entity, documents):
        """``documents``: 64 of them; two are sent to warm up, two to measure, and the rest against those."""
        self.queries(entity, documents[:2])
        few = self.queries(entity, documents[2:4])
        self.assertLessEqual(self.queries(entity, documents[4:]), few + 5, "new documents")
        few = self.queries(entity, documents[2:4])
        # Many are first looked for among repetitions.
        self.assertLessEqual(self.queries(entity, documents[4:]), few + 1, "unchanged documents")

    def students(self, number):
        return [{"externalId": f"STU-APP-{n}", "fullName": f"Student {n}"} for n in range(number)]


@tagged("post_install", "-at_install")
class TestCodes(AcademicCase):
    def make(self, model, *codes):
        return self.env[model]._find_or_make(self.company, codes)

    def test_case_and_blanks_do_not_matter_and_the_first_spelling_stays(self):
        first = self.make("school.section", " Blue ")
        self.assertEqual(
            self.make("school.section", "BLUE", "blue  "), {"BLUE": first[" Blue "], "blue  ": first[" Blue "]}
        )
        section = self.env["school.section"].browse(first.values())
        self.assertEqual((section.code, section.name), ("Blue", "Blue"))

    def test_one_batch_makes_one(self):
        self.assertEqual(len(set(self.make("school.grade", "GRADE8", "Grade 8", 8, "8", "9").values())), 2)

    def test_archived_is_found_not_made_again(self):
        year = self.env["school.academic.year"].create({"code": "2024-2025"})
        year.active = False
        self.assertEqual(self.make("school.academic.year", "2024-2025"), {"2024-2025": year.id})

    def test_each_company_has_its_own(self):
        other = self.env["res.company"].create({"name": "Other School"})
        ours = self.make("school.course", "MATH")
        theirs = self.env["school.course"]._find_or_make(other, ["MATH"])
        self.assertNotEqual(ours["MATH"], theirs["MATH"])

    def test_grades_stand_in_the_order_of_their_numbers(self):
        codes = ["LKG", 10, "GRADE2", 0, -1, "K"]
        self.make("school.grade", *codes)
        grades = self.env["school.grade"].search([])
        self.assertEqual(grades.mapped("name"), ["Preschool -1", "Kindergarten", "Grade 2", "Grade 10", "LKG"])
        self.assertEqual(grades.mapped("code"), ["-1", "0", "GRADE2", "10", "LKG"])

    def test_a_name_of_ones_own_stays(self):
        grade = self.env["school.grade"].create({"code": "8", "name": "Eighth"})
        self.make("school.grade", "GRADE8")
        self.assertEqual((grade.name, grade.code), ("Eighth", "8"))

    @mute_logger("odoo.sql_db")
    def test_same_code_twice_is_refused_in_the_form(self):
        self.env["school.section"].create({"code": "A"})
        with self.assertRaises(psycopg2.errors.UniqueViolation):
            self.env["school.section"].create({"code": "a"})

    def test_a_lost_race_for_a_code_is_raised_for_odoo_to_retry(self):
        self.send_ok("students", STUDENT)
        self.env["school.section"].create({"code": "B"})
        model = type(self.env["school.section"])
        empty = self.env["school.section"]
        with (
            patch.object(model, "search_fetch", lambda *args, **kwargs: empty),
            mute_logger("odoo.sql_db"),
            self.assertRaises(ConcurrencyError),
        ):
            self.send("enrollments", ENROLLMENT)

    def test_queries_do_not_grow_with_the_codes(self):
        def queries(*codes):
            before = self.env.cr.sql_log_count
            self.make("school.section", *codes)
            return self.env.cr.sql_log_count - before

        queries("x")
        few = queries("a1", "a2")
        self.assertEqual(queries(*[f"b{n}" for n in range(60)]), few)

    def test_a_bad_document_makes_no_code(self):
        report = self.send("enrollments", {**ENROLLMENT, "sectionId": "Z9"}, parking_allowed=False)
        self.assertEqual(self.codes(report), {"/studentExternalId": "reference_missing"})
        self.assertEqual(self.statuses(self.send("enrollments", {**ENROLLMENT, "sectionId": "Z9"})), ["parked"])
        self.assertFalse(self.env["school.section"].search([("code", "=", "Z9")]))


@tagged("post_install", "-at_install")
class TestApplications(AcademicCase):
    def test_printed_payload(self):
        report = self.send_ok("applications", APPLICATION)
        self.assertEqual((self.statuses(report), report.items[0].warnings), (["created"], []))
        application = self.application()
        self.assertEqual((application.name, application.state), ("APP-2025-000123", "approved"))
        self.assertEqual(application.academic_year_id.code, "2025-2026")
        self.assertEqual((application.grade_id.code, application.section_id.code), ("Grade 8", "A"))
        self.assertEqual(application.submitted_at, datetime(2025, 5, 3, 10, 12, 44))
        self.assertEqual(self.document("applications", APPLICATION["externalId"]), APPLICATION)
        self.assertEqual(self.statuses(self.send_ok("applications", APPLICATION)), ["unchanged"])

    def test_every_word_for_a_status(self):
        for state, words in APPLICATION_WORDS.items():
            for word in (state, state.upper(), state.replace("_", " ").title(), state.replace("_", "-"), *words):
                with self.subTest(word):
                    self.send_ok("applications", {**APPLICATION, "status": word})
                    self.assertEqual(self.application().state, state)
                    self.assertEqual(self.document("applications", APPLICATION["externalId"])["status"], word)
        self.assertEqual({key for key, _label in self.application()._fields["state"].selection}, set(APPLICATION_WORDS))

    def test_unknown_status_is_told_what_is_known(self):
        for status in ("maybe", "", 1, None, True, ["approved"], "a\0b"):
            with self.subTest(status):
                report = self.send("applications", {**APPLICATION, "status": status})
                (error,) = report.items[0].errors
                self.assertEqual(error.pointer, "/status")
                self.assertIn("draft, submitted, under_review", error.detail)

    def test_what_odoo_changed_is_what_comes_out(self):
        self.send_ok("applications", {**APPLICATION, "submittedAt": "2025-05-03T15:42:44.123+05:30"})
        self.assertEqual(
            self.document("applications", APPLICATION["externalId"])["submittedAt"], "2025-05-03T15:42:44.123000+05:30"
        )
        self.application().write(
            {
                "state": "under_review",
                "grade_id": self.env["school.grade"].create({"code": "9"}).id,
                "section_id": False,
                "submitted_at": "2025-05-04 00:00:00",
            }
        )
        document = self.document("applications", APPLICATION["externalId"])
        self.assertEqual((document["status"], document["gradeApplied"]), ("under_review", "9"))
        self.assertEqual((document["section"], document["submittedAt"]), (None, "2025-05-04T00:00:00Z"))

    def test_null_clears(self):
        self.send_ok("applications", APPLICATION)
        self.send_ok(
            "applications",
            {"externalId": APPLICATION["externalId"], "status": "draft", "section": None, "gradeApplied": None},
        )
        application = self.application()
        self.assertFalse(application.section_id or application.grade_id)
        self.assertEqual(application.academic_year_id.code, "2025-2026")

    def test_student_is_linked_whichever_comes_first(self):
        for first, second in (
            (("applications", APPLICATION), ("students", STUDENT)),
            (("students", STUDENT), ("applications", APPLICATION)),
        ):
            with self.subTest(first[0]), self.env.cr.savepoint() as savepoint:
                self.send_ok(*first)
                self.send_ok(*second)
                self.assertEqual(self.application().student_id, self.student(STUDENT["externalId"]))
                self.assertEqual(
                    self.document("applications", APPLICATION["externalId"]),
                    {**APPLICATION, "studentExternalId": STUDENT["externalId"]},
                )
                self.assertEqual(self.statuses(self.send_ok("applications", APPLICATION)), ["unchanged"])
                savepoint.rollback()

    def test_nothing_of_it_is_left_for_after_the_commit(self):
        """What is written after the commit is lost when the server is killed in between."""
        sources = [path for path in Path(__file__).parents[1].rglob("*.py") if path != Path(__file__)]
        # The turns are locks, which end with the connection.
        self.assertEqual([path.name for path in sources if "postcommit" in path.read_text()], ["turns.py"])

    def test_student_that_an_application_is_tied_to_is_claimed_with_it(self):
        def bound():
            domain = [("entity", "=", "students"), ("external_id", "=", STUDENT["externalId"])]
            return [bool(binding.res_id) for binding in self.env["school.sync.binding"].search(domain)]

        self.send_ok("applications", {**APPLICATION, "studentExternalId": None})
        self.assertEqual(bound(), [])
        self.application().unlink()
        self.send_ok("applications", APPLICATION)
        self.assertEqual(bound(), [False])
        self.assertIsNone(outbound.read_one(self.source, "students", STUDENT["externalId"]))
        self.assertEqual(self.statuses(self.send_ok("students", STUDENT)), ["created"])
        self.assertEqual(bound(), [True])

    def test_document_says_which_student(self):
        self.send_ok("students", STUDENT, {**STUDENT, "externalId": "S-2", "fullName": "Other"})
        self.send_ok("applications", {**APPLICATION, "studentExternalId": "S-2"})
        self.assertEqual(self.application().student_id.name, "Other")
        self.send_ok("students", {**STUDENT, "fullName": "Rahul S."})
        self.assertEqual(self.application().student_id.name, "Other")
        report = self.send("applications", {**APPLICATION, "studentExternalId": "nobody"})
        self.assertEqual(self.statuses(report), ["parked"])

    def test_null_says_that_there_is_no_student(self):
        self.send_ok("applications", {**APPLICATION, "studentExternalId": None})
        self.send_ok("students", STUDENT)
        self.assertFalse(self.application().student_id)

    def test_ids_of_another_source_say_nothing(self):
        other = self.as_api_user(self.env["school.sync.source"].create({"name": "Other SIS"}))
        self.send_ok("students", STUDENT, source=other)
        self.send_ok("applications", APPLICATION)
        self.assertFalse(self.application().student_id)

    def test_other_ids_say_nothing(self):
        self.send_ok("students", {**STUDENT, "externalId": "000123"}, {**STUDENT, "externalId": "STU-"})
        self.send_ok("applications", APPLICATION)
        self.assertFalse(self.application().student_id)

    def test_archived_and_restored(self):
        self.send_ok("applications", APPLICATION)
        self.assertEqual(
            engine.archive(self.source, "applications", APPLICATION["externalId"]).status.value, "archived"
        )
        self.assertFalse(self.application().active)
        self.send_ok("applications", APPLICATION)
        self.assertTrue(self.application().active)

    def test_queries_do_not_grow_with_the_batch(self):
        self.send_ok("students", *self.students(64))
        documents = [
            {**APPLICATION, "externalId": f"APP-{n}", "section": f"S{n}", "gradeApplied": n} for n in range(64)
        ]
        self.assert_queries_do_not_grow("applications", documents)

    def test_queries_do_not_grow_with_the_students(self):
        self.send_ok("applications", *[{**APPLICATION, "externalId": f"APP-{n}"} for n in range(64)])
        self.assert_queries_do_not_grow("students", self.students(64))
        self.assertEqual(len(self.env["school.application"].search([("student_id", "!=", False)])), 64)


@tagged("post_install", "-at_install")
class TestEnrollments(AcademicCase):
    def setUp(self):
        super().setUp()
        self.send_ok("students", STUDENT)

    def refuse(self, codes, **fields):
        report = self.send("enrollments", {**ENROLLMENT, **fields})
        self.assertEqual(self.codes(report), codes)
        return report.items[0].errors[0].detail

    def test_comes_back_as_it_came_in(self):
        document = {**ENROLLMENT, "course": "MATH", "school": "100", "status": -1, "updatedAt": "2025-05-01T00:00:00Z"}
        self.send_ok("enrollments", document)
        del document["updatedAt"]
        self.assertEqual(self.document("enrollments", "ENR-1"), {**document, "classId": 8})
        enrollment = self.enrollment()
        self.assertEqual((enrollment.state, enrollment.school), ("pre_registered", "100"))
        self.assertEqual((enrollment.date_start, enrollment.date_end), (date(2025, 6, 1), date(2026, 4, 1)))
        self.assertEqual((enrollment.grade_id.code, enrollment.grade_id.name), ("8", "Grade 8"))
        self.assertEqual((enrollment.section_id.code, enrollment.course_id.code), ("B", "MATH"))
        self.assertEqual(enrollment.display_name, "Rahul Sharma, 2025-2026, Grade 8 B, MATH")

    def test_every_word_and_code_for_a_status(self):
        for state, words in ENROLLMENT_WORDS.items():
            codes = [int(word) for word in words if word.lstrip("-").isdecimal()]
            for word in (state, state.upper(), state.replace("_", "-"), *words, *codes):
                with self.subTest(word):
                    self.send_ok("enrollments", {**ENROLLMENT, "status": word})
                    self.assertEqual(self.enrollment().state, state)
                    self.assertEqual(self.document("enrollments", "ENR-1")["status"], word)
        self.assertEqual({key for key, _label in self.enrollment()._fields["state"].selection}, set(ENROLLMENT_WORDS))

    def test_codes_of_powerschool(self):
        for code, state in [
            (0, "active"),
            (-1, "pre_registered"),
            (2, "transferred"),
            (3, "graduated"),
            (4, "historical"),
            ("\N{MINUS SIGN}1", "pre_registered"),
        ]:
            with self.subTest(code):
                self.send_ok("enrollments", {**ENROLLMENT, "status": code})
                self.assertEqual(self.enrollment().state, state)

    def test_unknown_status_is_told_what_is_known(self):
        for status in ("maybe", "", 1, 5, -2, 10**30, 0.0, None, False, {"code": 0}):
            with self.subTest(status):
                report = self.send("enrollments", {**ENROLLMENT, "status": status})
                (error,) = report.items[0].errors
                self.assertEqual(error.pointer, "/status")
                self.assertIn("active, pre_registered", error.detail)
                self.assertIn("-1, 0, 2, 3, 4", error.detail)

    def test_grade_as_number_or_text_under_either_name(self):
        for fields, code in [
            ({"gradeLevel": 0}, "0"),
            ({"gradeLevel": -2}, "-2"),
            ({"gradeLevel": "GRADE9"}, "GRADE9"),
            ({"classId": "LKG"}, "LKG"),
            ({"classId": "GRADE8", "gradeLevel": 8}, "GRADE8"),
        ]:
            with self.subTest(fields), self.env.cr.savepoint() as savepoint:
                document = {name: value for name, value in ENROLLMENT.items() if name != "gradeLevel"}
                self.send_ok("enrollments", {**document, **fields})
                self.assertEqual(self.enrollment().grade_id._code_key(code), self.enrollment().grade_id.code_key)
                read = self.document("enrollments", "ENR-1")
                self.assertEqual({name: read[name] for name in fields}, fields)
                savepoint.rollback()

    def test_grade_under_the_other_name_is_a_change(self):
        self.send_ok("enrollments", ENROLLMENT)
        document = {name: value for name, value in ENROLLMENT.items() if name != "gradeLevel"}
        self.send_ok("enrollments", {**document, "classId": "GRADE9"})
        self.assertEqual(self.enrollment().grade_id.name, "Grade 9")
        self.assertEqual(self.statuses(self.send_ok("enrollments", ENROLLMENT)), ["updated"])
        self.assertEqual(self.enrollment().grade_id.name, "Grade 8")
        self.send_ok("enrollments", {**document, "classId": None})
        self.assertFalse(self.enrollment().grade_id)

    def test_two_grades_are_refused(self):
        self.refuse({"/classId": "two_grades"}, classId="GRADE9")
        self.refuse({"/classId": "two_grades"}, classId=None)

    def test_bad_grades(self):
        for level, code in [
            (True, "wrong_type"),
            (8.0, "wrong_type"),
            ([8], "wrong_type"),
            (10**18, "out_of_range"),
            ("x" * 3000, "too_long"),
            ("a\0", "control_character"),
        ]:
            with self.subTest(level):
                self.refuse({"/gradeLevel": code}, gradeLevel=level)

    def test_grades_that_are_none_are_kept_as_text(self):
        for number, level in enumerate((100, -10, 2012, "x" * 256)):
            with self.subTest(level):
                report = self.send_ok("enrollments", {**ENROLLMENT, "externalId": f"odd-{number}", "gradeLevel": level})
                self.assertIn("/gradeLevel", report.items[0].warnings[0])
                self.assertFalse(self._record("enrollments", f"odd-{number}").grade_id)
                self.assertEqual(self.document("enrollments", f"odd-{number}")["gradeLevel"], level)

    def test_every_mistake_is_told_at_once(self):
        report = self.send("enrollments", {"externalId": "E", "startDate": "soon", "gradeLevel": [], "status": 9})
        self.assertEqual(
            self.codes(report),
            {
                "/studentExternalId": "required",
                "/academicYear": "required",
                "/startDate": "invalid_date",
                "/gradeLevel": "wrong_type",
                "/status": "unknown_word",
            },
        )
        report = self.send(
            "enrollments", {**ENROLLMENT, "studentExternalId": "nobody", "endDate": "2025-06-01"}, parking_allowed=False
        )
        self.assertEqual(
            self.codes(report), {"/studentExternalId": "reference_missing", "/endDate": "end_before_start"}
        )

    def test_end_is_after_the_start(self):
        self.assertIn("2025-06-01", self.refuse({"/endDate": "end_before_start"}, endDate="2025-06-01"))
        self.refuse({"/endDate": "end_before_start"}, endDate="2025-05-01")
        self.send_ok("enrollments", {**ENROLLMENT, "endDate": "2025-06-02"})
        document = {name: value for name, value in ENROLLMENT.items() if name != "endDate"}
        report = self.send("enrollments", {**document, "startDate": "2025-07-01"})
        self.assertEqual(self.codes(report), {"/endDate": "end_before_start"})

    @mute_logger("odoo.sql_db")
    def test_end_is_after_the_start_in_the_form_too(self):
        self.send_ok("enrollments", ENROLLMENT)
        with self.assertRaises(psycopg2.errors.CheckViolation):
            self.enrollment().date_end = "2025-06-01"
            self.env.flush_all()

    def warnings(self, *documents):
        """The warnings about overlaps that ``documents`` are answered with; each document is applied."""
        report = self.send_ok("enrollments", *documents)
        return [[warning for warning in item.warnings if "overlaps" in warning] for item in report.items]

    def test_overlap_is_applied_with_a_warning_that_names_the_other(self):
        self.send_ok("enrollments", ENROLLMENT)
        ((warning,),) = self.warnings({**ENROLLMENT, "externalId": "ENR-2", "startDate": "2026-03-31", "endDate": None})
        self.assertIn("ENR-1, 2025-06-01 to 2026-04-01", warning)
        self.assertEqual(self.env["school.enrollment"].search_count([("is_overlapping", "=", True)]), 2)

    def test_section_change_sent_add_before_drop_goes_through_in_either_order(self):
        held = {**ENROLLMENT, "endDate": None}
        added = {**ENROLLMENT, "externalId": "ENR-2", "startDate": "2025-09-01", "sectionId": "C", "endDate": None}
        dropped = {**held, "endDate": "2025-09-01", "status": "transferred"}
        for documents in ((added, dropped), (dropped, added)):
            with self.subTest(documents[0]["externalId"]), self.env.cr.savepoint() as savepoint:
                self.send_ok("enrollments", held)
                for document in documents:
                    self.send_ok("enrollments", document)
                self.assertEqual(
                    (self.enrollment().date_end, self.enrollment("ENR-2").section_id.code), (date(2025, 9, 1), "C")
                )
                self.assertFalse(self.env["school.enrollment"].search([("is_overlapping", "=", True)]))
                savepoint.rollback()

    def test_two_sections_of_one_course_at_once_are_normal(self):
        lecture = {**ENROLLMENT, "course": "CHEM", "sectionId": "CHEM-1"}
        lab = {**lecture, "externalId": "ENR-2", "sectionId": "CHEM-LAB"}
        self.assertEqual(self.warnings(lecture, lab), [[], []])
        self.assertFalse(self.env["school.enrollment"].search([("is_overlapping", "=", True)]))
        self.assertEqual(len(self.warnings({**lab, "externalId": "ENR-3"})[0]), 1)

    def test_one_may_begin_on_the_day_the_other_ends(self):
        self.send_ok(
            "enrollments", ENROLLMENT, {**ENROLLMENT, "externalId": "ENR-2", "startDate": "2026-04-01", "endDate": None}
        )
        self.assertEqual(self.student(STUDENT["externalId"]).enrollment_count, 2)
        self.env.invalidate_all()
        self.assertEqual(
            self.student(STUDENT["externalId"]).enrollment_ids.mapped("date_start"),
            [date(2026, 4, 1), date(2025, 6, 1)],
        )

    def test_only_active_ones_of_one_student_school_and_course_overlap(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("students", {**STUDENT, "externalId": "S-2"})
        for n, fields in enumerate(
            [
                {"status": "pre-registered"},
                {"status": "transferred"},
                {"school": "200"},
                {"course": "MATH"},
                {"course": "PHYSICS"},
                {"studentExternalId": "S-2"},
            ]
        ):
            with self.subTest(fields):
                self.assertEqual(self.warnings({**ENROLLMENT, "externalId": f"E-{n}", **fields}), [[]])
        for fields in ({"externalId": "E-X", "course": " math "}, {"externalId": "E-X", "school": "200"}):
            with self.subTest(fields), self.env.cr.savepoint() as savepoint:
                self.assertEqual(len(self.warnings({**ENROLLMENT, **fields})[0]), 1)
                savepoint.rollback()
        self.assertEqual(len(self.warnings({**ENROLLMENT, "externalId": "E-0", "status": 0})[0]), 1)

    def test_overlap_within_a_batch_warns_of_both(self):
        one, two, three = self.warnings(
            ENROLLMENT,
            {**ENROLLMENT, "externalId": "ENR-2", "startDate": "2025-09-01", "endDate": None},
            {**ENROLLMENT, "externalId": "ENR-3", "startDate": "2025-01-01", "endDate": "2025-06-01"},
        )
        self.assertIn("2025-09-01", one[0])
        self.assertIn("2025-06-01 to 2026-04-01", two[0])
        self.assertFalse(three)

    def test_in_one_batch_one_may_end_for_another_to_begin_in_any_order(self):
        ended = {**ENROLLMENT, "endDate": "2025-09-01"}
        begun = {**ENROLLMENT, "externalId": "ENR-2", "startDate": "2025-09-01"}
        for documents in ((ended, begun), (begun, ended)):
            with self.subTest(documents[0]["externalId"]), self.env.cr.savepoint() as savepoint:
                self.send_ok("enrollments", ENROLLMENT)
                self.assertEqual(self.warnings(*documents), [[], []])
                savepoint.rollback()

    def test_two_may_swap_their_periods(self):
        one, two = ("2025-01-01", "2025-06-01"), ("2025-06-01", "2026-01-01")
        for periods in ((one, two), (two, one)):
            found = self.warnings(
                *(
                    {**ENROLLMENT, "externalId": f"ENR-{n}", "startDate": start, "endDate": end}
                    for n, (start, end) in enumerate(periods)
                ),
            )
            self.assertEqual(found, [[], []])
        self.assertEqual(self.enrollment("ENR-0").date_start, date(2025, 6, 1))

    def test_overlap_in_the_form_is_shown_and_refuses_nothing(self):
        self.send_ok("enrollments", ENROLLMENT)
        held = self.enrollment()
        with Form(self.env["school.enrollment"]) as form:
            form.student_id = held.student_id
            form.academic_year_id = held.academic_year_id
            form.date_start = "2026-01-01"
        later = form.record
        self.assertEqual((later.overlap_ids, held.overlap_ids), (held, later))
        later.date_start = "2026-04-01"
        self.assertFalse(later.is_overlapping or held.is_overlapping)
        later.date_start = "2026-03-31"
        self.assertTrue(later.is_overlapping and held.is_overlapping)
        held.action_archive()
        self.assertFalse(later.is_overlapping or held.is_overlapping)
        held.action_unarchive()
        self.assertEqual(self.env["school.enrollment"].search([("is_overlapping", "=", True)]), held | later)
        self.assertFalse(self.env["school.enrollment"].search([("is_overlapping", "=", False)]))

    def test_archived_overlaps_with_nothing_until_it_is_restored(self):
        self.send_ok("enrollments", ENROLLMENT)
        engine.archive(self.source, "enrollments", "ENR-1")
        self.assertEqual(self.warnings({**ENROLLMENT, "externalId": "ENR-2"}), [[]])
        ((warning,),) = self.warnings(ENROLLMENT)
        self.assertIn("ENR-2", warning)
        self.assertTrue(self.enrollment().active)

    def test_overlap_with_one_made_in_odoo_says_so(self):
        year = self.env["school.academic.year"].create({"code": "2025-2026"})
        with Form(self.env["school.enrollment"]) as form:
            form.student_id = self.student(STUDENT["externalId"])
            form.academic_year_id = year
            form.date_start = "2025-01-01"
        ((warning,),) = self.warnings(ENROLLMENT)
        self.assertIn("made in Odoo", warning)

    def test_documents_for_an_archived_student_are_applied_with_a_warning(self):
        engine.archive(self.source, "students", STUDENT["externalId"])
        application = {**APPLICATION, "studentExternalId": STUDENT["externalId"]}
        for entity, document in (
            ("enrollments", ENROLLMENT),
            ("roster-assignments", ROSTER),
            ("applications", application),
            ("applications", {name: value for name, value in APPLICATION.items()}),
            ("fee-schedules", FEES),
        ):
            with self.subTest(entity), self.env.cr.savepoint() as savepoint:
                report = self.send_ok(entity, document)
                self.assertEqual(self.statuses(report), ["created"])
                (warning,) = [warning for warning in report.items[0].warnings if "archived" in warning]
                self.assertIn(STUDENT["externalId"], warning)
                savepoint.rollback()
        self.send_ok("students", STUDENT)
        report = self.send_ok("enrollments", ENROLLMENT)
        self.assertFalse(report.items[0].warnings)

    def test_student_of_another_school_is_refused(self):
        other = self.env["res.company"].create({"name": "Other School"})
        with self.assertRaisesRegex(UserError, "belongs to"):
            self.env["school.enrollment"].create(
                {
                    "company_id": other.id,
                    "student_id": self.student(STUDENT["externalId"]).id,
                    "academic_year_id": self.env["school.academic.year"]
                    .create({"code": "Y", "company_id": other.id})
                    .id,
                    "date_start": "2025-01-01",
                }
            )

    def test_stale_and_partial(self):
        self.send_ok("enrollments", {**ENROLLMENT, "updatedAt": "2025-05-02T00:00:00Z"})
        report = self.send("enrollments", {**ENROLLMENT, "status": 2, "updatedAt": "2025-05-01T00:00:00Z"})
        self.assertEqual(self.statuses(report), ["stale"])
        self.assertEqual(self.enrollment().state, "active")

    def test_page_and_archived(self):
        self.send_ok("enrollments", ENROLLMENT)
        engine.archive(self.source, "enrollments", "ENR-1")
        self.assertEqual(outbound.read_page(self.source, "enrollments", limit=10), ([], None))
        (document,), _cursor = outbound.read_page(self.source, "enrollments", limit=10, active=False)
        self.assertEqual(document["externalId"], "ENR-1")

    def test_current_place_of_a_student(self):
        student = self.student(STUDENT["externalId"])
        self.send_ok("enrollments", {**ENROLLMENT, "startDate": "2020-01-01", "endDate": None})
        self.send_ok(
            "enrollments", {**ENROLLMENT, "externalId": "E-2", "gradeLevel": 9, "course": "MATH", "endDate": None}
        )
        self.assertEqual((student.current_grade_id.code, student.current_section_id.code), ("8", "B"))
        self.enrollment().state = "graduated"
        self.assertFalse(student.current_grade_id)

    def test_found_by_the_name_of_the_student(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        for model in ("school.enrollment", "school.roster.assignment"):
            for word in ("Rahul", "8A-023"):
                self.assertEqual(len(self.env[model].name_search(word)), 1, (model, word))

    def test_smart_buttons(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("applications", APPLICATION)
        student = self.student(STUDENT["externalId"])
        self.assertEqual((student.enrollment_count, student.application_count), (1, 1))
        self.assertEqual(
            self.env["school.enrollment"].search(student.action_open_enrollments()["domain"]), self.enrollment()
        )
        self.assertEqual(
            self.env["school.application"].search(student.action_open_applications()["domain"]), self.application()
        )

    def test_queries_do_not_grow_with_the_batch(self):
        self.send_ok("students", *self.students(64))
        self.assert_queries_do_not_grow(
            "enrollments",
            [
                {**ENROLLMENT, "externalId": f"E-{n}", "studentExternalId": f"STU-APP-{n}", "sectionId": f"S{n}"}
                for n in range(64)
            ],
        )

    def test_queries_do_not_grow_with_the_overlaps(self):
        self.send_ok("students", *self.students(64))
        documents = [{**ENROLLMENT, "externalId": f"E-{n}", "studentExternalId": f"STU-APP-{n}"} for n in range(64)]
        self.send_ok("enrollments", *documents)
        self.assert_queries_do_not_grow(
            "enrollments", [{**one, "externalId": f"F-{one['externalId']}"} for one in documents]
        )

    def test_queries_do_not_grow_with_what_ends(self):
        self.send_ok("students", *self.students(64))
        documents = [{**ENROLLMENT, "externalId": f"E-{n}", "studentExternalId": f"STU-APP-{n}"} for n in range(64)]
        self.send_ok("enrollments", *documents)
        self.send_ok("roster-assignments", *({**ROSTER, "studentExternalId": f"STU-APP-{n}"} for n in range(64)))
        self.assert_queries_do_not_grow(
            "enrollments", [{**one, "endDate": "2026-02-01", "status": 3} for one in documents]
        )


@tagged("post_install", "-at_install")
class TestRosterAssignments(AcademicCase):
    def setUp(self):
        super().setUp()
        self.send_ok("students", STUDENT)

    def place(self, external_id="ENR-1"):
        enrollment = self.enrollment(external_id)
        return enrollment.grade_id.name, enrollment.section_id.code, enrollment.roll_number

    def test_printed_payload(self):
        self.send_ok("enrollments", {**ENROLLMENT, "gradeLevel": 7})
        report = self.send_ok("roster-assignments", ROSTER)
        self.assertEqual((self.statuses(report), report.items[0].warnings), (["created"], []))
        self.assertEqual(report.items[0].external_id, ROSTER_ID)
        self.assertEqual(self.place(), ("Grade 8", "A", "8A-023"))
        self.assertEqual((self.assignment().state, self.assignment().enrollment_id), ("assigned", self.enrollment()))
        self.assertEqual(self.document("roster-assignments", ROSTER_ID), {"externalId": ROSTER_ID, **ROSTER})
        report = self.send_ok("roster-assignments", ROSTER)
        self.assertEqual((self.statuses(report), report.items[0].version), (["unchanged"], 1))

    def test_identity(self):
        for fields, external_id in [
            ({}, ROSTER_ID),
            ({"externalId": "R-1"}, "R-1"),
            ({"externalId": None}, ROSTER_ID),
            ({"classId": 8}, "STU-APP-2025-000123/8/2025-06-01"),
            ({"classId": "8/A~B"}, "STU-APP-2025-000123/8~1A~0B/2025-06-01"),
            ({"start": "2025-07-01"}, "STU-APP-2025-000123/GRADE8/2025-07-01"),
        ]:
            with self.subTest(fields):
                report = self.send("roster-assignments", {**ROSTER, **fields})
                self.assertEqual(report.items[0].external_id, external_id)

    def test_twice_in_a_batch_is_refused(self):
        report = self.send("roster-assignments", ROSTER, {**ROSTER, "rollNo": "8A-024"})
        self.assertEqual(self.codes(report), {"/externalId": "duplicate_external_id"})

    def test_mistakes(self):
        for fields, codes in [
            ({"event": "roster.assignment.cancelled"}, {"/event": "unknown_word"}),
            ({"event": 0}, {"/event": "wrong_type"}),
            ({"studentExternalId": "nobody"}, {"/studentExternalId": "reference_missing"}),
            (
                {"studentExternalId": "nobody", "classId": None},
                {"/studentExternalId": "reference_missing", "/classId": "wrong_type"},
            ),
            ({"studentExternalId": None}, {"/studentExternalId": "wrong_type"}),
            ({"start": "2025-06-31"}, {"/start": "invalid_date"}),
            ({"rollNo": 23}, {"/rollNo": "wrong_type"}),
        ]:
            with self.subTest(fields):
                report = self.send("roster-assignments", {**ROSTER, **fields}, parking_allowed=False)
                self.assertEqual(self.codes(report), codes)
        report = self.send("roster-assignments", {})
        self.assertEqual(self.codes(report).keys(), {"/event", "/studentExternalId", "/classId", "/start"})
        self.assertIn(
            "roster.assignment.requested",
            self.send("roster-assignments", {**ROSTER, "event": "x"}).items[0].errors[0].detail,
        )

    def test_mistakes_of_two_are_not_taken_for_the_same_document(self):
        bad = {name: value for name, value in ROSTER.items() if name != "studentExternalId"}
        report = self.send("roster-assignments", bad, bad)
        for index in (0, 1):
            self.assertEqual(self.codes(report, index), {"/studentExternalId": "required"})
            self.assertIsNone(report.items[index].external_id)

    def test_too_long_to_be_an_identity(self):
        self.send_ok("students", {**STUDENT, "externalId": "S" * 250})
        report = self.send("roster-assignments", {**ROSTER, "studentExternalId": "S" * 250})
        self.assertEqual(self.codes(report), {"": "identity_too_long"})
        self.send_ok("roster-assignments", {**ROSTER, "studentExternalId": "S" * 250, "externalId": "R-1"})

    def test_requested_waits_for_the_class(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", {**ROSTER, "event": "roster.assignment.requested", "sectionId": None})
        self.assertEqual((self.assignment().state, self.place()), ("requested", ("Grade 8", "B", False)))
        self.assertEqual(self.statuses(self.send_ok("roster-assignments", ROSTER)), ["updated"])
        self.assertEqual((self.assignment().state, self.place()), ("assigned", ("Grade 8", "A", "8A-023")))

    def test_late_request_does_not_undo(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        report = self.send_ok("roster-assignments", {**ROSTER, "event": "roster.assignment.requested"})
        self.assertIn("completed already", report.items[0].warnings[0])
        self.assertEqual((self.assignment().state, self.place()), ("assigned", ("Grade 8", "A", "8A-023")))
        self.assertEqual(self.document("roster-assignments", ROSTER_ID)["event"], "roster.assignment.completed")

    def test_waits_for_the_enrollment_and_is_applied_by_itself(self):
        report = self.send_ok("roster-assignments", ROSTER)
        self.assertIn("is applied when one arrives", report.items[0].warnings[0])
        self.assertEqual(self.assignment().state, "waiting")
        self.send_ok(
            "enrollments", {**ENROLLMENT, "externalId": "early", "endDate": "2025-06-01", "startDate": "2025-01-01"}
        )
        self.assertEqual(self.assignment().state, "waiting")
        self.send_ok("enrollments", ENROLLMENT)
        self.assertEqual((self.assignment().state, self.place()), ("assigned", ("Grade 8", "A", "8A-023")))
        self.assertEqual(self.place("early"), ("Grade 8", "B", False))
        self.assertEqual(self.document("enrollments", "ENR-1")["sectionId"], "A")
        self.assertEqual(self.statuses(self.send_ok("enrollments", ENROLLMENT)), ["unchanged"])

    def test_waits_for_an_enrollment_that_comes_to_fit(self):
        self.send_ok("enrollments", {**ENROLLMENT, "startDate": "2025-08-01"})
        self.send_ok("roster-assignments", ROSTER)
        self.send_ok("enrollments", ENROLLMENT)
        self.assertEqual((self.assignment().state, self.place()), ("assigned", ("Grade 8", "A", "8A-023")))

    def test_waits_for_an_enrollment_made_in_odoo(self):
        self.send_ok("roster-assignments", ROSTER)
        year = self.env["school.academic.year"].create({"code": "2025-2026"})
        enrollment = self.env["school.enrollment"].create(
            {
                "student_id": self.student(STUDENT["externalId"]).id,
                "academic_year_id": year.id,
                "date_start": "2025-07-01",
            }
        )
        self.assertEqual(self.assignment().state, "waiting")
        enrollment.date_start = "2025-05-01"
        self.assertEqual((self.assignment().state, enrollment.roll_number), ("assigned", "8A-023"))

    def test_right_enrollment(self):
        self.send_ok(
            "enrollments",
            {**ENROLLMENT, "externalId": "course", "course": "MATH"},
            {**ENROLLMENT, "externalId": "gone", "status": "transferred"},
            {**ENROLLMENT, "externalId": "old", "startDate": "2025-01-01", "endDate": "2025-06-01"},
            {
                **ENROLLMENT,
                "externalId": "long",
                "startDate": "2024-01-01",
                "endDate": None,
                "status": "pre-registered",
            },
            ENROLLMENT,
            {**ENROLLMENT, "externalId": "next", "startDate": "2026-04-01", "endDate": None, "status": -1},
        )
        self.send_ok("roster-assignments", ROSTER)
        self.assertEqual(self.assignment().enrollment_id, self.enrollment())
        for name in ("course", "gone", "old", "long", "next"):
            self.assertFalse(self.enrollment(name).roll_number, name)
        self.send_ok("roster-assignments", {**ROSTER, "start": "2026-04-01", "classId": 9, "rollNo": "9A-001"})
        self.assertEqual(self.place("next"), ("Grade 9", "A", "9A-001"))
        self.assertEqual(self.place(), ("Grade 8", "A", "8A-023"))

    def test_of_several_the_last_to_start_counts(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", {**ROSTER, "start": "2025-09-01", "sectionId": "C", "rollNo": "8C-001"})
        report = self.send_ok("roster-assignments", ROSTER)
        self.assertIn("A later assignment", report.items[0].warnings[0])
        self.assertEqual(self.place(), ("Grade 8", "C", "8C-001"))

    def test_changed_assignment_is_applied_again(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        self.send_ok("roster-assignments", {**ROSTER, "rollNo": "8A-099"})
        self.assertEqual(self.place(), ("Grade 8", "A", "8A-099"))

    def test_assignment_with_an_id_of_its_own_may_move(self):
        self.send_ok(
            "enrollments", ENROLLMENT, {**ENROLLMENT, "externalId": "next", "startDate": "2026-04-01", "endDate": None}
        )
        self.send_ok("roster-assignments", {**ROSTER, "externalId": "R-1"})
        self.send_ok("roster-assignments", {**ROSTER, "externalId": "R-1", "start": "2026-05-01"})
        self.assertEqual(self.assignment("R-1").enrollment_id, self.enrollment("next"))

    def test_roll_number_does_not_undo_the_grade_that_was_changed_since(self):
        self.send_ok("enrollments", {**ENROLLMENT, "gradeLevel": 5})
        roster = {**ROSTER, "externalId": "R-1", "classId": "5"}
        self.send_ok("roster-assignments", roster)
        self.send_ok("enrollments", {**ENROLLMENT, "gradeLevel": 6})
        self.send_ok("roster-assignments", {**roster, "rollNo": "5-099"})
        self.assertEqual(self.place(), ("Grade 6", "A", "5-099"))
        self.assertEqual(self.statuses(self.send_ok("enrollments", {**ENROLLMENT, "gradeLevel": 6})), ["unchanged"])
        self.send_ok("roster-assignments", {**roster, "rollNo": "5-099", "start": "2025-06-02"})
        self.assertEqual(self.place()[0], "Grade 6")

    def test_what_an_enrollment_no_longer_says_is_applied_when_it_is_said_again(self):
        for identity in ({"externalId": "R-1"}, {}):
            with self.subTest(identity), self.env.cr.savepoint() as savepoint:
                self.send_ok("enrollments", {**ENROLLMENT, "gradeLevel": 6})
                self.send_ok("roster-assignments", {**ROSTER, **identity, "classId": "5"})
                self.send_ok("roster-assignments", {**ROSTER, **identity, "classId": "7"})
                self.assertEqual(self.place()[0], "Grade 7")
                report = self.send_ok("enrollments", {**ENROLLMENT, "gradeLevel": 6})
                self.assertEqual((self.statuses(report), self.place()[0]), (["updated"], "Grade 6"))
                self.assertEqual(self.place()[1:], ("A", "8A-023"))
                report = self.send_ok("enrollments", {**ENROLLMENT, "gradeLevel": 6})
                self.assertEqual(self.statuses(report), ["unchanged"])
                savepoint.rollback()

    def test_enrollment_that_changes_something_else_leaves_what_was_corrected(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        self.send_ok("roster-assignments", {**ROSTER, "sectionId": "C"})
        self.send_ok("enrollments", {**ENROLLMENT, "status": "graduated"})
        self.assertEqual(self.place(), ("Grade 8", "C", "8A-023"))

    def test_enrollment_sent_again_with_its_time_says_nothing_new(self):
        enrollment = {**ENROLLMENT, "updatedAt": "2025-06-01T00:00:00Z"}
        for document in (ROSTER, {**ROSTER, "sectionId": "C"}):
            self.send_ok("enrollments", enrollment)
            self.send_ok("roster-assignments", document)
        self.assertEqual(self.statuses(self.send_ok("enrollments", enrollment)), ["unchanged"])
        self.assertEqual(self.place(), ("Grade 8", "C", "8A-023"))

    def test_class_spelled_otherwise_is_put_on_nothing(self):
        self.send_ok("enrollments", {**ENROLLMENT, "gradeLevel": 5})
        roster = {**ROSTER, "externalId": "R-1", "classId": "5"}
        self.send_ok("roster-assignments", roster)
        self.send_ok("enrollments", {**ENROLLMENT, "gradeLevel": 6})
        self.send_ok("roster-assignments", {**roster, "classId": "Grade 5"})
        self.assertEqual(self.place()[0], "Grade 6")

    def test_late_earlier_assignment_undoes_nothing(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", {**ROSTER, "start": "2025-09-01", "sectionId": "C"})
        self.send_ok("enrollments", {**ENROLLMENT, "sectionId": "D"})
        self.send_ok("roster-assignments", ROSTER)
        self.assertEqual(self.place(), ("Grade 8", "D", "8A-023"))

    def test_cleared_section_leaves_that_of_the_enrollment(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        self.send_ok("roster-assignments", {**ROSTER, "sectionId": None, "rollNo": None})
        self.assertEqual(self.place(), ("Grade 8", "B", False))

    def test_enrollments_that_have_ended_take_their_assignments(self):
        for status in ENROLLMENT_WORDS:
            for enrollment_first in (True, False):
                with self.subTest(f"{status} {enrollment_first}"), self.env.cr.savepoint() as savepoint:
                    steps = [("enrollments", {**ENROLLMENT, "status": status}), ("roster-assignments", ROSTER)]
                    for entity, document in steps if enrollment_first else reversed(steps):
                        self.send_ok(entity, document)
                    self.assertEqual((self.assignment().state, self.place()), ("assigned", ("Grade 8", "A", "8A-023")))
                    savepoint.rollback()

    def test_assignment_moves_to_the_enrollment_that_it_turns_out_to_be_about(self):
        whole = {**ENROLLMENT, "endDate": None}
        self.send_ok("enrollments", whole)
        self.send_ok("roster-assignments", {**ROSTER, "sectionId": "A", "rollNo": None})
        self.send_ok("roster-assignments", {**ROSTER, "start": "2025-11-01", "sectionId": "C", "classId": 9})
        self.assertEqual(self.place(), ("Grade 9", "C", "8A-023"))
        self.send_ok("enrollments", {**ENROLLMENT, "externalId": "next", "startDate": "2025-11-01", "endDate": None})
        self.assertEqual(self.place("next"), ("Grade 9", "C", "8A-023"))
        self.assertEqual(self.place(), ("Grade 8", "A", False))

    def test_assignment_that_goes_leaves_what_the_enrollment_said_itself(self):
        for gone in ("archived", "moved", "other student", "unlinked", "other enrollment"):
            with self.subTest(gone), self.env.cr.savepoint() as savepoint:
                self.send_ok("students", {**STUDENT, "externalId": "S-2"})
                roster = {**ROSTER, "externalId": "R-1", "classId": 9}
                self.send_ok("enrollments", ENROLLMENT)
                self.send_ok("roster-assignments", roster)
                self.assertEqual(self.place(), ("Grade 9", "A", "8A-023"))
                if gone == "archived":
                    engine.archive(self.source, "roster-assignments", "R-1")
                elif gone == "moved":
                    self.send_ok("roster-assignments", {**roster, "start": "2026-05-01"})
                elif gone == "other student":
                    self.send_ok("roster-assignments", {**roster, "studentExternalId": "S-2"})
                elif gone == "unlinked":
                    self.assignment("R-1").unlink()
                else:
                    self.send_ok("enrollments", {**ENROLLMENT, "studentExternalId": "S-2"})
                self.assertEqual(self.place(), ("Grade 8", "B", False))
                savepoint.rollback()

    def test_assignment_that_goes_takes_nothing_that_was_said_since(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        self.send_ok("enrollments", {**ENROLLMENT, "sectionId": "D"})
        engine.archive(self.source, "roster-assignments", ROSTER_ID)
        self.assertEqual(self.place(), ("Grade 8", "D", False))

    def test_assignment_that_goes_leaves_what_both_had_said(self):
        for fields in ({}, {"status": "graduated"}):
            with self.subTest(fields), self.env.cr.savepoint() as savepoint:
                self.send_ok("enrollments", ENROLLMENT)
                self.send_ok("roster-assignments", ROSTER)
                self.send_ok("enrollments", {**ENROLLMENT, "sectionId": "A", **fields})
                engine.archive(self.source, "roster-assignments", ROSTER_ID)
                self.assertEqual(self.place(), ("Grade 8", "A", False))
                savepoint.rollback()

    def test_merged_students_keep_what_was_said_since(self):
        self.send_ok("students", {"externalId": "S-2", "fullName": "Rahul Sharma"})
        self.send_ok("enrollments", {**ENROLLMENT, "studentExternalId": "S-2"})
        self.send_ok("roster-assignments", {**ROSTER, "studentExternalId": "S-2", "externalId": "R-1"})
        self.send_ok("enrollments", {**ENROLLMENT, "studentExternalId": "S-2", "sectionId": "D"})
        contacts = self.student(STUDENT["externalId"]).partner_id | self.student("S-2").partner_id
        wizard = self.env["base.partner.merge.automatic.wizard"].create(
            {"partner_ids": contacts.ids, "dst_partner_id": contacts[0].id}
        )
        wizard.action_merge()
        self.assertEqual(self.enrollment().student_id, self.student(STUDENT["externalId"]))
        self.assertEqual((self.assignment("R-1").state, self.place()), ("assigned", ("Grade 8", "D", "8A-023")))

    def test_archived_enrollment_keeps_what_it_says_when_it_comes_back(self):
        changed = {**ENROLLMENT, "sectionId": "D"}
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        self.send_ok("enrollments", changed)
        engine.archive(self.source, "enrollments", "ENR-1")
        self.send_ok("enrollments", changed)
        self.assertEqual((self.assignment().state, self.place()), ("assigned", ("Grade 8", "D", "8A-023")))

    def test_archived_enrollment_gives_its_assignments_to_another(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        self.send_ok("enrollments", {**ENROLLMENT, "externalId": "other", "sectionId": None, "startDate": "2025-05-01"})
        self.assertEqual(self.place("other"), ("Grade 8", None or False, False))
        engine.archive(self.source, "enrollments", "ENR-1")
        self.assertEqual(self.place("other"), ("Grade 8", "A", "8A-023"))

    def test_edited_in_odoo_it_is_put_on_its_enrollment(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        with Form(self.assignment()) as form:
            form.roll_number = "8A-111"
        self.assertEqual(self.place(), ("Grade 8", "A", "8A-111"))

    def test_history_of_two_years_ends_the_same_in_any_order(self):
        """The documents of one student one by one and in batches, in orders drawn by lot."""
        documents = self.history()
        rng, first = random.Random(7), None
        for number in range(40):
            order = rng.sample(documents, len(documents)) if number else documents
            size = rng.choice([1, 1, 2, 4, len(order)])
            with self.subTest([document["n"] for _entity, document in order]), self.env.cr.savepoint() as savepoint:
                for start in range(0, len(order), size):
                    bundles = [{}]
                    for entity, document in order[start : start + size]:
                        document = {name: value for name, value in document.items() if name != "n"}
                        if document["externalId"] in [one["externalId"] for one in bundles[-1].get(entity, ())]:
                            bundles.append({})
                        bundles[-1].setdefault(entity, []).append(document)
                    for bundle in bundles:
                        engine.run_bundle(self.source, copy.deepcopy(bundle))
                reached = self.end_of_history()
                first = first or reached
                self.assertEqual(reached, first)
                savepoint.rollback()

    def history(self):
        def at(second):
            return f"2026-05-01T00:00:{second:02}Z"

        def enrollment(name, second, start, end, status, **fields):
            return "enrollments", {
                **ENROLLMENT,
                **{"externalId": name, "startDate": start, "endDate": end, "status": status, "updatedAt": at(second)},
                **{"studentExternalId": "S-9", **fields},
            }

        def roster(name, second, start, **fields):
            return "roster-assignments", {
                **{"externalId": name, "start": start, "updatedAt": at(second), "studentExternalId": "S-9"},
                **{"event": "roster.assignment.completed", "classId": 8, **fields},
            }

        documents = [
            ("students", {"externalId": "S-9", "fullName": "Asha Rao"}),
            enrollment("E-24", 1, "2024-06-01", None, "active", gradeLevel=7, sectionId=None),
            enrollment("E-24", 2, "2024-06-01", "2025-04-01", "historical", gradeLevel=7, sectionId=None),
            roster("R-24", 3, "2024-06-01", classId=7, sectionId="A", rollNo="7A-1"),
            roster("R-24b", 4, "2024-11-01", classId=7, sectionId="B"),
            enrollment("E-25", 5, "2025-06-01", None, "active", sectionId="A"),
            roster("R-25", 6, "2025-06-01", rollNo="8-1"),
            roster("R-25c", 7, "2025-08-01", sectionId="C"),
            roster("R-25c", 8, "2025-08-01", sectionId="D", rollNo=None),
            enrollment("E-25b", 9, "2025-10-01", None, "active", sectionId="E"),
            roster("R-25b", 10, "2025-10-01", sectionId="F", rollNo="8-2"),
            enrollment("E-25", 11, "2025-06-01", "2025-10-01", "transferred", sectionId="A"),
            enrollment("E-course", 12, "2025-06-01", None, "active", course="MATH", sectionId="M1"),
            enrollment("E-lab", 13, "2025-06-01", None, "active", course="MATH", sectionId="M2"),
            ("applications", {**APPLICATION, "externalId": "APP-9", "studentExternalId": "S-9"}),
        ]
        return [(entity, {**document, "n": n}) for n, (entity, document) in enumerate(documents)]

    def end_of_history(self):
        enrollments = {
            name: (*self.place(name), self.enrollment(name).state, self.enrollment(name).date_end)
            for name in ("E-24", "E-25", "E-25b", "E-course", "E-lab")
        }
        rosters = {
            name: (self.assignment(name).state, self.assignment(name).enrollment_id.date_start)
            for name in ("R-24", "R-24b", "R-25", "R-25c", "R-25b")
        }
        self.assertEqual(enrollments["E-24"], ("Grade 7", "B", "7A-1", "historical", date(2025, 4, 1)))
        self.assertEqual(enrollments["E-25"], ("Grade 8", "D", "8-1", "transferred", date(2025, 10, 1)))
        self.assertEqual(enrollments["E-25b"], ("Grade 8", "F", "8-2", "active", False))
        self.assertEqual(enrollments["E-course"][1:3], ("M1", False))
        return enrollments, rosters, self.application("APP-9").student_id.name

    def test_ended_enrollment_keeps_its_assignment(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        self.send_ok("enrollments", {**ENROLLMENT, "status": "graduated"})
        self.send_ok("roster-assignments", {**ROSTER, "rollNo": "8A-099"})
        self.assertEqual((self.assignment().state, self.place()), ("assigned", ("Grade 8", "A", "8A-099")))

    def test_archived_and_deleted_enrollment_leaves_the_assignment_waiting(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        engine.archive(self.source, "enrollments", "ENR-1")
        self.assertEqual(self.assignment().state, "waiting")
        self.send_ok("enrollments", ENROLLMENT)
        self.assertEqual(self.assignment().state, "assigned")
        self.enrollment().unlink()
        self.assertEqual(self.assignment().state, "waiting")
        self.send_ok("enrollments", ENROLLMENT)
        self.assertEqual(self.assignment().state, "assigned")

    def test_what_the_enrollment_says_later_stays(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        self.send_ok("enrollments", {**ENROLLMENT, "sectionId": "D"})
        self.assertEqual(self.place(), ("Grade 8", "D", "8A-023"))

    def test_bundle_in_any_order(self):
        reports = engine.run_bundle(
            self.source,
            {
                "roster-assignments": [ROSTER],
                "applications": [APPLICATION],
                "enrollments": [ENROLLMENT],
                "students": [STUDENT],
            },
        )
        self.assertLess(list(reports).index("enrollments"), list(reports).index("roster-assignments"))
        self.assertFalse(reports["roster-assignments"].items[0].warnings)

    def test_button_tells_what_it_did(self):
        self.send_ok("roster-assignments", ROSTER)
        self.assertEqual(self.assignment().action_assign()["params"]["type"], "warning")
        self.send_ok("enrollments", ENROLLMENT)
        self.assertEqual(self.assignment().action_assign()["params"]["type"], "success")

    def test_archived(self):
        self.send_ok("roster-assignments", ROSTER)
        engine.archive(self.source, "roster-assignments", ROSTER_ID)
        self.send_ok("enrollments", ENROLLMENT)
        self.assertFalse(self.assignment().active or self.enrollment().roll_number)

    def test_queries_do_not_grow_with_the_batch(self):
        self.send_ok("students", *self.students(64))
        self.send_ok(
            "enrollments",
            *({**ENROLLMENT, "externalId": f"E-{n}", "studentExternalId": f"STU-APP-{n}"} for n in range(64)),
        )
        self.assert_queries_do_not_grow(
            "roster-assignments",
            [{**ROSTER, "studentExternalId": f"STU-APP-{n}", "rollNo": f"8A-{n}"} for n in range(64)],
        )

    def test_queries_do_not_grow_with_the_enrollments_waited_for(self):
        self.send_ok("students", *self.students(64))
        self.send_ok(
            "roster-assignments",
            *({**ROSTER, "studentExternalId": f"STU-APP-{n}", "rollNo": f"8A-{n}"} for n in range(64)),
        )
        self.assert_queries_do_not_grow(
            "enrollments",
            [{**ENROLLMENT, "externalId": f"E-{n}", "studentExternalId": f"STU-APP-{n}"} for n in range(64)],
        )
        self.assertEqual(self.env["school.roster.assignment"].search_count([("state", "=", "assigned")]), 64)


@tagged("post_install", "-at_install")
class TestAccess(AcademicCase):
    MODELS = (
        "school.academic.year",
        "school.grade",
        "school.section",
        "school.course",
        "school.application",
        "school.enrollment",
        "school.roster.assignment",
    )

    def setUp(self):
        super().setUp()
        self.send_ok("students", STUDENT)
        self.send_ok("applications", APPLICATION)
        self.send_ok("enrollments", {**ENROLLMENT, "course": "MATH"})
        self.send_ok("roster-assignments", ROSTER)

    def test_another_school_sees_nothing(self):
        other = self.env["res.company"].create({"name": "Other School"})
        manager = new_test_user(
            self.env,
            "other_manager",
            groups="school_erp_sync.group_sync_manager",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        for model in self.MODELS:
            self.assertTrue(self.env[model].search([]), model)
            self.assertFalse(self.env[model].with_user(manager).with_company(other).search([]), model)

    def test_reader_reads_writer_writes_manager_deletes(self):
        users = {
            role: new_test_user(self.env, f"a_{role}", groups=f"school_erp_sync.group_sync_{role}")
            for role in ("reader", "writer", "manager")
        }
        colleague = new_test_user(self.env, "a_colleague", groups="base.group_user")
        for model in self.MODELS:
            record = self.env[model].search([], limit=1)
            rights = {
                role: [
                    operation
                    for operation in ("read", "write", "create", "unlink")
                    if record.with_user(user).has_access(operation)
                ]
                for role, user in users.items()
            }
            self.assertEqual(
                rights,
                {
                    "reader": ["read"],
                    "writer": ["read", "write", "create"],
                    "manager": ["read", "write", "create", "unlink"],
                },
                model,
            )
            with self.assertRaises(AccessError):
                record.with_user(colleague).read(["display_name"])

    def test_unlinking_forgets_the_bindings(self):
        for record, external_id in (
            (self.application(), APPLICATION["externalId"]),
            (self.assignment(), ROSTER_ID),
            (self.enrollment(), "ENR-1"),
        ):
            record.unlink()
            self.assertFalse(self.env["school.sync.binding"].search([("external_id", "=", external_id)]))


@tagged("post_install", "-at_install")
class TestLists(AcademicCase):
    """Schools, courses and sections, and what names them by reference."""

    def test_queries_do_not_grow(self):
        schools = [{"externalId": f"SCH-{n}", "name": f"School {n}"} for n in range(64)]
        courses = [
            {"externalId": f"CRS-{n}", "code": f"C{n % 8}", "schoolExternalId": f"SCH-{n}", "credits": 1}
            for n in range(64)
        ]
        sections = [
            {
                "externalId": f"SEC-{n}",
                "code": "1",
                "schoolExternalId": f"SCH-{n}",
                "courseExternalId": f"CRS-{n}",
                "teacherExternalId": None,
            }
            for n in range(64)
        ]
        self.assert_queries_do_not_grow("schools", schools)
        self.assert_queries_do_not_grow("courses", courses)
        self.assert_queries_do_not_grow("sections", sections)
        self.send_ok("students", *self.students(64))
        by_reference = [
            {
                **ENROLLMENT,
                "externalId": f"ENR-{n}",
                "studentExternalId": f"STU-APP-{n}",
                "sectionId": None,
                "sectionExternalId": f"SEC-{n}",
            }
            for n in range(64)
        ]
        self.assert_queries_do_not_grow("enrollments", by_reference)
        by_code = [
            {
                **ENROLLMENT,
                "externalId": f"ENR-CODE-{n}",
                "studentExternalId": f"STU-APP-{n}",
                "course": "C1",
                "schoolExternalId": f"SCH-{n}",
            }
            for n in range(64)
        ]
        self.assert_queries_do_not_grow("enrollments", by_code)

    def test_taking_over_does_not_query_for_each(self):
        self.send_ok("students", *self.students(64))
        named = [
            {**ENROLLMENT, "externalId": f"ENR-{n}", "studentExternalId": f"STU-APP-{n}", "sectionId": f"S{n}"}
            for n in range(64)
        ]
        self.send_ok("enrollments", *named)
        sections = [{"externalId": f"SEC-{n}", "code": f"S{n}", "room": str(n)} for n in range(64)]
        self.queries("sections", sections[:2])
        few = self.queries("sections", sections[2:4])
        # Each is written for itself, as any record that changes.
        self.assertLessEqual(self.queries("sections", sections[4:]), few + 60)
        self.assertEqual(self.env["school.section"].search_count([("code", "=like", "S%")]), 64)
