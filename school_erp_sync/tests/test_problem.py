import psycopg2
import psycopg2.errors

from odoo.exceptions import ConcurrencyError, LockError, UserError
from odoo.tests.common import BaseCase, tagged
from odoo.tools import mute_logger

from ..controllers.problem import problem_of


@tagged("post_install", "-at_install")
class TestProblem(BaseCase):
    @mute_logger("odoo.addons.school_erp_sync.controllers.problem")
    def test_what_is_not_the_senders_fault_is_to_be_sent_again(self):
        for exc in (
            ConcurrencyError("raced"),
            LockError("locked"),
            psycopg2.errors.SerializationFailure(),
            psycopg2.OperationalError("server closed the connection unexpectedly"),
            psycopg2.InterfaceError("connection already closed"),
            psycopg2.DatabaseError("server closed the connection unexpectedly"),
        ):
            with self.subTest(type(exc).__name__):
                problem = problem_of(exc, "id")
                self.assertEqual((problem.code, problem.headers["Retry-After"]), (503, "1"))

    @mute_logger("odoo.addons.school_erp_sync.controllers.problem")
    def test_a_mistake_of_ours_is_one_and_tells_nothing(self):
        for exc in (psycopg2.ProgrammingError("SELECT name FROM child"), KeyError("Asha Rao")):
            problem = problem_of(exc, "id")
            self.assertEqual(problem.code, 500)
            self.assertNotIn("Asha", problem.description)
            self.assertNotIn("SELECT", problem.description)

    def test_what_odoo_refuses_is_told_in_its_words(self):
        self.assertEqual(problem_of(UserError("The period is locked."), "id").code, 422)
