from unittest.mock import patch

from odoo.tests.common import tagged

from .common import SyncCase


@tagged("post_install", "-at_install")
class TestLists(SyncCase):
    """Phones, e-mails and programs of many people at once."""

    def documents(self, numbers, mark):
        return [
            {
                "externalId": f"S{n}",
                "fullName": f"Student {n}",
                "phones": [f"+91 98765 {n:05}", f"+91 8{mark} {n:05}"],
                "emails": [f"s{n}@x.example", f"s{n}.{mark}@x.example"],
                "programs": [{"type": "meal", "status": "free", "code": f"{mark}-{n}"}],
            }
            for n in numbers
        ]

    def count(self, numbers, mark):
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        self.send_ok("students", *self.documents(numbers, mark))
        self.env.flush_all()
        return self.env.cr.sql_log_count - before

    def test_queries_do_not_grow_with_the_people(self):
        for mark in (1, 2):
            with self.subTest("new" if mark == 1 else "changed"):
                counts = [self.count(numbers, mark) for numbers in (range(20), range(20, 40), range(40, 120))]
                self.assertLess(counts[2] - counts[1], 20, counts)
        for n in (0, 119):
            student = self.student(f"S{n}")
            self.assertEqual((student.phone, student.phone_point_ids.value), (f"+91 82 {n:05}", f"+91 98765 {n:05}"))
            self.assertEqual((student.email, student.email_point_ids.value), (f"s{n}.2@x.example", f"s{n}@x.example"))
            self.assertEqual(student.program_ids.mapped("code"), [f"2-{n}"])

    def test_change_of_programs_alone_is_a_change_of_the_student(self):
        document = self.documents([1], 1)[0]
        self.send_ok("students", document)
        student = self.student("S1")
        self.env.flush_all()
        self.env.cr.execute("UPDATE school_student SET write_date = '2020-01-01' WHERE id = %s", [student.id])
        student.invalidate_recordset(["write_date"])
        self.send_ok("students", {**document, "programs": []})
        self.assertGreater(student.write_date.year, 2020)
        self.assertFalse(student.program_ids)

    def test_people_without_lists_cost_no_query_for_them(self):
        plain = [{"externalId": f"P{n}", "name": f"Guardian {n}", "phone": f"+91 98765 {n:05}"} for n in range(3)]
        asked, execute = [], type(self.env.cr).execute

        def note(cr, query, *args, **options):
            asked.append(str(getattr(query, "code", query)))
            return execute(cr, query, *args, **options)

        for documents in (plain, [{**document, "phone": "+91 98765 99999"} for document in plain]):
            self.env.flush_all()
            self.env.invalidate_all()
            with patch.object(type(self.env.cr), "execute", note):
                self.send_ok("parents", *documents)
                self.env.flush_all()
        self.assertTrue(any("res_partner" in query for query in asked))
        self.assertFalse([query for query in asked if "contact_point" in query or "student_program" in query])
