import copy
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests.common import new_test_user, tagged

from ..sync import engine
from ..sync.merge import put
from .common import FATHER, MOTHER, STUDENT, AccountingCase, SyncCase
from .test_academics import APPLICATION, ENROLLMENT, ROSTER
from .test_billing import BILLING
from .test_fee_schedule import FEES

FATHER_ID, STUDENT_ID = FATHER["externalId"], STUDENT["externalId"]


class ConflictCase(SyncCase):
    def policy(self, default, **by_scope):
        source = self.source.sudo()
        source.conflict_policy = default
        source.policy_ids = [
            Command.clear(),
            *(Command.create({"scope": scope, "policy": policy}) for scope, policy in by_scope.items()),
        ]

    def conflicts(self, state="open"):
        return self.env["school.sync.conflict"].search([("source_id", "=", self.source.id), ("state", "=", state)])

    def both_change_the_phone(self, **more):
        """The father's phone, changed in Odoo and by the source."""
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).phone = "+91 1111111111"
        self.env.flush_all()
        return self.send("parents", {**FATHER, "phone": "+91 2222222222", **more})


@tagged("post_install", "-at_install")
class TestConflicts(ConflictCase):
    def test_different_fields_changed_on_both_sides_are_both_kept(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).phone = "+91 1111111111"
        report = self.send_ok("parents", {**FATHER, "occupation": "Pilot"})
        self.assertEqual((self.statuses(report), report.items[0].warnings), (["updated"], []))
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 1111111111", "Pilot"))
        self.assertFalse(self.conflicts() or self.conflicts("settled"))

    def test_an_edit_is_remembered_across_documents_about_other_things(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).phone = "+91 1111111111"
        self.send_ok("parents", {**FATHER, "occupation": "Pilot"})
        report = self.send("parents", {**FATHER, "occupation": "Pilot", "phone": "+91 2222222222"})
        self.assertEqual(self.statuses(report), ["conflict"])

    def test_the_same_change_on_both_sides_is_no_conflict(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).phone = "+91 2222222222"
        report = self.send_ok("parents", {**FATHER, "phone": "+91 2222222222"})
        self.assertEqual((self.statuses(report), report.items[0].version), (["unchanged"], 1))
        # And from now on that is what both agree on.
        self.assertEqual(self.statuses(self.send_ok("parents", {**FATHER, "phone": "+91 3333333333"})), ["updated"])
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 3333333333")

    def test_source_wins_and_what_odoo_had_is_kept(self):
        report = self.both_change_the_phone()
        self.assertEqual((self.statuses(report), self.parent(FATHER_ID).phone), (["updated"], "+91 2222222222"))
        self.assertIn("/phone was changed in Odoo as well", report.items[0].warnings[0])
        line = self.conflicts("settled").line_ids
        self.assertEqual(
            (line.path, line.base_value, line.odoo_value, line.source_value, line.choice),
            ("phone", FATHER["phone"], "+91 1111111111", "+91 2222222222", "source"),
        )

    def test_one_click_puts_back_what_lost(self):
        self.both_change_the_phone()
        manager = new_test_user(self.env, "conflict-manager", groups="school_erp_sync.group_sync_manager")
        line = self.conflicts("settled").line_ids
        line.with_user(manager).action_restore()
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 1111111111")
        self.assertTrue(line.restored_at)
        # It is an edit made in Odoo: it stays until the source says something new of it.
        same = self.send_ok("parents", {**FATHER, "phone": "+91 2222222222"})
        self.assertEqual((self.statuses(same), same.items[0].version), (["unchanged"], 3))
        self.assertEqual(self.document("parents", FATHER_ID)["phone"], "+91 1111111111")
        logged = self.env["school.sync.log"].search([("source_id", "=", self.source.id)], limit=1)
        self.assertEqual((logged.path, logged.message), ("conflicts/restore", f"by {manager.name}"))

    def test_odoo_wins_and_the_rest_of_the_document_is_applied(self):
        self.policy("odoo")
        report = self.both_change_the_phone(occupation="Pilot")
        self.assertEqual(self.statuses(report), ["updated"])
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 1111111111", "Pilot"))
        self.assertEqual(self.conflicts("settled").line_ids.choice, "odoo")
        again = self.send_ok("parents", {**FATHER, "phone": "+91 2222222222", "occupation": "Pilot"})
        self.assertEqual(self.statuses(again), ["unchanged"])
        # What lost is the source's value; it can be taken all the same.
        self.conflicts("settled").line_ids.action_restore()
        self.assertEqual(parent.phone, "+91 2222222222")

    def test_the_newest_wins(self):
        self.policy("newest")
        now = fields.Datetime.now()
        self.both_change_the_phone(updatedAt=(now - timedelta(days=1)).isoformat() + "Z")
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 1111111111")
        self.send_ok(
            "parents",
            {**FATHER, "phone": "+91 3333333333", "updatedAt": (now + timedelta(hours=1)).isoformat() + "Z"},
        )
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 3333333333")
        self.parent(FATHER_ID).phone = "+91 1111111111"
        # Without a time of its own, a document is as new as its arrival.
        self.send_ok("parents", {**FATHER, "phone": "+91 4444444444"})
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 4444444444")

    def test_rules_of_a_field_come_before_those_of_its_entity_and_of_the_source(self):
        self.policy("ask", **{"parents": "source", "parents/phone": "odoo"})
        self.both_change_the_phone()
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 1111111111")
        self.parent(FATHER_ID).function = "Farmer"
        self.send_ok("parents", {**FATHER, "occupation": "Pilot"})
        self.assertEqual(self.parent(FATHER_ID).function, "Pilot")
        self.send_ok("students", STUDENT)
        self.student(STUDENT_ID).birth_date = "2010-01-01"
        self.assertEqual(self.statuses(self.send("students", {**STUDENT, "dob": "2011-01-01"})), ["conflict"])

    def test_a_rule_is_about_a_part_that_there_is(self):
        with self.assertRaises(ValidationError):
            self.policy("ask", **{"parents/shoeSize": "odoo"})

    def test_ask_leaves_the_record_and_queues_both_sides(self):
        self.policy("ask")
        report = self.both_change_the_phone(occupation="Pilot")
        self.assertEqual((self.statuses(report), self.codes(report)), (["conflict"], {"/phone": "conflict"}))
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 1111111111", FATHER["occupation"]))
        conflict = self.conflicts()
        self.assertEqual(conflict.summary, "phone")
        # Sent again, it is one conflict and not two; sent anew, it is what was sent last.
        self.send("parents", {**FATHER, "phone": "+91 3333333333"})
        self.assertEqual((self.conflicts(), conflict.line_ids.source_value), (conflict, "+91 3333333333"))

    def test_decided_for_the_source(self):
        self.policy("ask")
        self.both_change_the_phone(occupation="Pilot")
        manager = new_test_user(self.env, "conflict-manager", groups="school_erp_sync.group_sync_manager")
        conflict = self.conflicts()
        conflict.with_user(manager).action_take_all()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 2222222222", "Pilot"))
        self.assertEqual((conflict.state, conflict.decided_by_id, conflict.document), ("resolved", manager, False))
        again = self.send_ok("parents", {**FATHER, "phone": "+91 2222222222", "occupation": "Pilot"})
        self.assertEqual((self.statuses(again), again.items[0].version), (["unchanged"], 2))
        logged = self.env["school.sync.log"].search([("source_id", "=", self.source.id)], limit=1)
        self.assertEqual((logged.path, logged.message, logged.updated), ("conflicts/decide", f"by {manager.name}", 1))

    def test_decided_for_odoo_bumps_the_version_and_keeps_the_rest_of_the_document(self):
        self.policy("ask")
        self.both_change_the_phone(occupation="Pilot")
        self.conflicts().action_keep_all()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 1111111111", "Pilot"))
        again = self.send_ok("parents", {**FATHER, "phone": "+91 2222222222", "occupation": "Pilot"})
        self.assertEqual((self.statuses(again), again.items[0].version), (["unchanged"], 2))

    def test_decided_field_by_field(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).write({"phone": "+91 1111111111", "function": "Farmer"})
        self.send("parents", {**FATHER, "phone": "+91 2222222222", "occupation": "Pilot"})
        conflict = self.conflicts()
        by_path = {line.path: line for line in conflict.line_ids}
        by_path["phone"].action_take()
        with self.assertRaisesRegex(UserError, "each field"):
            conflict.action_decide()
        by_path["occupation"].action_keep()
        conflict.action_decide()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 2222222222", "Farmer"))

    def test_who_decides_on_what_is_no_longer_so_is_asked_again(self):
        self.policy("ask")
        self.both_change_the_phone()
        conflict = self.conflicts()
        self.parent(FATHER_ID).phone = "+91 9999999999"
        self.assertEqual(conflict.action_take_all()["params"]["type"], "warning")
        self.assertEqual((conflict.state, self.parent(FATHER_ID).phone), ("open", "+91 9999999999"))
        self.assertEqual((conflict.line_ids.odoo_value, conflict.line_ids.choice), ("+91 9999999999", False))
        conflict.action_take_all()
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 2222222222")

    def test_what_came_after_is_not_undone_by_a_decision(self):
        self.policy("ask")
        self.both_change_the_phone(occupation="Pilot")
        self.send_ok("parents", {"externalId": FATHER_ID, "name": "Ramesh Sharma", "occupation": "Judge"})
        self.assertTrue(self.conflicts())
        self.conflicts().action_take_all()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 2222222222", "Judge"))

    def test_the_source_gives_in_and_the_conflict_is_overtaken(self):
        self.policy("ask")
        self.both_change_the_phone()
        conflict = self.conflicts()
        self.send_ok("parents", {**FATHER, "phone": "+91 1111111111"})
        self.assertEqual((conflict.state, conflict.document), ("overtaken", False))

    def test_the_conflict_of_an_archived_record_is_overtaken(self):
        self.policy("ask")
        self.both_change_the_phone()
        engine.archive(self.source, "parents", FATHER_ID)
        self.assertFalse(self.conflicts())

    def test_in_an_atomic_batch_a_conflict_stops_all_and_is_queued_all_the_same(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.parent(FATHER_ID).phone = "+91 1111111111"
        report = self.send("parents", {**FATHER, "phone": "+91 2222222222"}, MOTHER, atomic=True)
        self.assertEqual(self.statuses(report), ["conflict", "rolledBack"])
        self.assertTrue(self.conflicts())

    def test_what_waits_may_be_in_conflict_when_it_is_applied(self):
        self.policy("ask")
        self.send_ok("students", STUDENT)
        self.student(STUDENT_ID).birth_date = "2010-01-01"
        self.send("students", {**STUDENT, "dob": "2011-01-01", "parents": [FATHER_ID]})
        report = self.send_ok("parents", FATHER)
        self.assertEqual(self.statuses(report.healed[0]), ["conflict"])
        self.assertFalse(self.env["school.sync.parked"].search([("source_id", "=", self.source.id)]))
        self.conflicts().action_take_all()
        student = self.student(STUDENT_ID)
        self.assertEqual((str(student.birth_date), student.parent_ids.name), ("2011-01-01", FATHER["name"]))

    def test_links_made_by_hand_are_nobodys_conflict(self):
        self.policy("ask")
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", STUDENT)
        student = self.student(STUDENT_ID)
        by_hand = {"student_id": student.id, "parent_id": self.parent(MOTHER["externalId"]).id}
        self.env["school.parent.link"].create(by_hand)
        self.send_ok("students", {**STUDENT, "parents": [FATHER_ID]})
        self.send_ok("students", {**STUDENT, "parents": []})
        self.assertEqual(student.parent_ids.name, MOTHER["name"])

    def test_links_changed_by_both_are_a_conflict(self):
        self.policy("ask")
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", {**STUDENT, "parents": [{"externalId": FATHER_ID, "priority": 1}]})
        self.student(STUDENT_ID).link_ids.priority = 3
        report = self.send("students", {**STUDENT, "parents": [{"externalId": FATHER_ID, "priority": 2}]})
        self.assertEqual(self.codes(report), {"/parents": "conflict"})
        self.conflicts().action_keep_all()
        self.assertEqual(self.student(STUDENT_ID).link_ids.mapped("priority"), [3])

    def test_a_flag_that_people_changed_is_not_undone_by_a_change_of_another(self):
        """What the source repeats of a link, or no longer says, is no change of it."""
        self.policy("ask")
        self.send_ok("parents", FATHER, MOTHER)
        father = {"externalId": FATHER_ID, "pickup": True}
        self.send_ok("students", self.links(father))
        link = self.student(STUDENT_ID).link_ids
        link.pickup = False
        self.send_ok("students", self.links({**father, "priority": 2}))
        self.assertEqual((link.pickup, link.priority), (False, 2))
        self.send_ok("students", self.links({"externalId": FATHER_ID}, MOTHER["externalId"]))
        self.assertEqual((link.pickup, link.priority), (False, 2))
        self.assertFalse(self.conflicts() or self.conflicts("settled"))

    def test_what_was_said_of_a_pair_in_either_document_is_the_sources_own_word(self):
        """A flag that is said, left out and then said otherwise, in the document of either person."""
        for policy in ("ask", "odoo"):
            with self.subTest(policy):
                self.policy(policy)
                parent, student = {**FATHER, "externalId": f"P-{policy}"}, {**STUDENT, "externalId": f"S-{policy}"}
                self.send_ok("parents", parent)
                of_student = {**student, "parents": [{"externalId": parent["externalId"]}]}
                of_parent = {**parent, "students": [{"externalId": student["externalId"]}]}
                self.send_ok("students", {**student, "parents": [{"externalId": parent["externalId"], "pickup": True}]})
                link = self.student(student["externalId"]).link_ids
                self.assertEqual(self.statuses(self.send_ok("students", of_student)), ["unchanged"])
                self.assertTrue(link.pickup)
                of_parent["students"][0]["pickup"] = False
                self.send_ok("parents", of_parent)
                self.assertFalse(link.pickup)
                of_student["parents"][0]["pickup"] = True
                self.send_ok("students", of_student)
                self.assertTrue(link.pickup)
                # The other document, as it was, says something again that is no longer so.
                self.send_ok("parents", of_parent)
                self.assertFalse(link.pickup)
                self.assertFalse(self.conflicts() or self.conflicts("settled"))

    def test_a_guardian_removed_in_odoo_does_not_come_back_by_a_change_of_another(self):
        self.policy("ask")
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", self.links(FATHER_ID, MOTHER["externalId"]))
        student = self.student(STUDENT_ID)
        student.link_ids.filtered(lambda link: link.parent_id == self.parent(FATHER_ID)).unlink()
        self.send_ok("students", self.links(FATHER_ID, {"externalId": MOTHER["externalId"], "pickup": True}))
        self.assertEqual(student.parent_ids.name, MOTHER["name"])
        self.assertTrue(student.link_ids.pickup)

    def test_the_order_of_guardians_means_nothing(self):
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", self.links(FATHER_ID, MOTHER["externalId"]))
        report = self.send_ok("students", self.links(MOTHER["externalId"], FATHER_ID))
        self.assertEqual((self.statuses(report), report.items[0].version), (["unchanged"], 1))

    def links(self, *links):
        return {**STUDENT, "parents": list(links)}

    def test_a_link_that_the_source_takes_away_goes_though_odoo_has_changed_it(self):
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", self.links({"externalId": FATHER_ID, "pickup": True}, MOTHER["externalId"]))
        student = self.student(STUDENT_ID)
        student.link_ids.filtered("pickup").pickup = False
        report = self.send_ok("students", self.links(MOTHER["externalId"]))
        self.assertEqual(student.parent_ids.name, MOTHER["name"])
        self.assertIn("/parents was changed in Odoo as well", report.items[0].warnings[0])

    def test_a_flag_set_in_odoo_is_not_overwritten_because_the_source_never_spoke_of_it(self):
        self.policy("ask")
        self.send_ok("parents", FATHER)
        self.send_ok("students", self.links(FATHER_ID))
        link = self.student(STUDENT_ID).link_ids
        link.pickup = True
        # What says nothing of the flag, or the same, takes nothing away.
        self.send_ok("students", self.links({"externalId": FATHER_ID, "priority": 2}))
        self.send_ok("students", self.links({"externalId": FATHER_ID, "priority": 2, "pickup": True}))
        link.emergency = True
        report = self.send("students", self.links({"externalId": FATHER_ID, "emergency": False, "priority": 2}))
        self.assertEqual((self.statuses(report), link.pickup, link.emergency), (["conflict"], True, True))

    def test_links_are_put_back_with_the_flags_that_were_not_set(self):
        self.send_ok("parents", FATHER)
        self.send_ok("students", self.links({"externalId": FATHER_ID, "priority": 1}))
        link = self.student(STUDENT_ID).link_ids
        link.priority = 3
        self.send_ok("students", self.links({"externalId": FATHER_ID, "pickup": True, "priority": 2}))
        self.assertEqual((link.pickup, link.priority), (True, 2))
        line = self.conflicts("settled").line_ids
        self.assertEqual(
            (line.base_text, line.odoo_text, line.source_text),
            (f"{FATHER_ID}, priority 1", f"{FATHER_ID}, priority 3", f"{FATHER_ID}, pickup, priority 2"),
        )
        line.action_restore()
        self.assertEqual((link.pickup, link.priority), (False, 3))

    def test_what_the_source_has_deleted_is_not_brought_back_by_an_old_value(self):
        self.both_change_the_phone()
        engine.archive(self.source, "parents", FATHER_ID)
        with self.assertRaisesRegex(UserError, "deleted"):
            self.conflicts("settled").line_ids.action_restore()
        self.assertFalse(self.parent(FATHER_ID).active)

    def test_what_a_second_document_does_not_say_of_the_first_is_not_lost(self):
        self.policy("ask")
        self.both_change_the_phone(occupation="Pilot")
        self.send("parents", {"externalId": FATHER_ID, "name": FATHER["name"], "phone": "+91 3333333333"})
        self.conflicts().action_take_all()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 3333333333", "Pilot"))

    def test_what_is_held_back_is_applied_though_something_else_came_between(self):
        self.policy("ask")
        self.both_change_the_phone(occupation="Pilot", updatedAt="2025-05-05T00:00:00Z")
        between = {"externalId": FATHER_ID, "name": FATHER["name"], "relation": "Uncle"}
        self.send_ok("parents", {**between, "updatedAt": "2025-05-06T00:00:00Z"})
        self.conflicts().action_take_all()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function, parent.relation), ("+91 2222222222", "Pilot", "Uncle"))

    def test_what_was_held_back_is_applied_when_the_source_gives_in(self):
        self.policy("ask")
        self.both_change_the_phone(occupation="Pilot")
        self.send_ok("parents", {"externalId": FATHER_ID, "name": FATHER["name"], "phone": "+91 1111111111"})
        self.assertFalse(self.conflicts())
        self.assertEqual(self.parent(FATHER_ID).function, "Pilot")

    def test_an_older_document_does_not_take_the_place_of_the_one_in_conflict(self):
        self.policy("ask")
        self.both_change_the_phone(updatedAt="2025-05-05T00:00:00Z")
        report = self.send("parents", {**FATHER, "phone": "+91 3333333333", "updatedAt": "2025-05-03T00:00:00Z"})
        self.assertEqual(self.statuses(report), ["stale"])
        self.assertEqual(self.conflicts().line_ids.source_value, "+91 2222222222")

    def test_the_source_takes_its_change_back_and_there_is_nothing_to_decide(self):
        self.policy("ask")
        self.both_change_the_phone(updatedAt="2025-05-05T00:00:00Z")
        conflict = self.conflicts()
        report = self.send_ok("parents", {**FATHER, "updatedAt": "2025-05-07T00:00:00Z"})
        self.assertEqual((self.statuses(report), conflict.state), (["unchanged"], "overtaken"))
        self.assertEqual(self.parent(FATHER_ID).phone, "+91 1111111111")

    def test_a_second_field_in_conflict_joins_the_first(self):
        self.policy("ask")
        self.both_change_the_phone()
        self.parent(FATHER_ID).function = "Farmer"
        self.send("parents", {"externalId": FATHER_ID, "name": FATHER["name"], "occupation": "Pilot"})
        conflict = self.conflicts()
        self.assertEqual(set(conflict.line_ids.mapped("path")), {"occupation", "phone"})
        conflict.action_take_all()
        parent = self.parent(FATHER_ID)
        self.assertEqual((parent.phone, parent.function), ("+91 2222222222", "Pilot"))

    def test_the_same_again_does_not_undo_what_somebody_is_choosing(self):
        self.policy("ask")
        self.both_change_the_phone(occupation="Pilot")
        line = self.conflicts().line_ids
        line.action_take()
        self.send("parents", {**FATHER, "phone": "+91 2222222222", "occupation": "Pilot"})
        self.assertEqual((self.conflicts().line_ids, line.choice), (line, "source"))

    def test_what_a_rule_settles_while_somebody_decides_is_remembered_as_well(self):
        self.policy("source", **{"parents/phone": "ask"})
        self.both_change_the_phone(occupation="Pilot")
        self.parent(FATHER_ID).function = "Farmer"
        self.conflicts().action_take_all()
        self.assertEqual(self.parent(FATHER_ID).function, "Pilot")
        self.assertEqual(self.conflicts("settled").line_ids.odoo_value, "Farmer")

    def test_what_a_rule_settles_in_what_waited_is_remembered_though_there_is_something_to_decide(self):
        self.policy("source", **{"parents/phone": "ask"})
        self.both_change_the_phone()
        self.parent(FATHER_ID).function = "Farmer"
        later = {"externalId": FATHER_ID, "name": FATHER["name"], "occupation": "Pilot", "students": [STUDENT_ID]}
        self.send("parents", later)
        self.send_ok("students", STUDENT)
        self.assertEqual(self.conflicts("settled").line_ids.odoo_value, "Farmer")
        self.assertEqual(self.conflicts().summary, "phone")

    def test_who_discards_a_conflict_has_dealt_with_it(self):
        self.policy("ask")
        exchange = {"request_id": "r", "method": "POST", "path": "/", "entity": None, "http_status": 409}
        exchange |= {"message": None, "duration": 1, "request": "", "response": ""}
        self.env["school.sync.log"]._record(self.source, exchange, self.both_change_the_phone())
        incident = self.env["school.sync.incident"].search([("source_id", "=", self.source.id)])
        self.assertEqual(incident.state, "open")
        self.conflicts().unlink()
        self.assertEqual(incident.state, "resolved")

    def test_only_what_the_source_changes_of_a_place_is_written(self):
        self.send_ok("students", STUDENT)
        student = self.student(STUDENT_ID)
        student.country_id = self.env.ref("base.us")
        document = copy.deepcopy(STUDENT)
        document["address"]["state"] = "California"
        self.send_ok("students", document)
        self.assertEqual((student.country_id.code, student.state_id.code), ("US", "CA"))

    def test_place_names_kept_by_odoo_stay_together(self):
        self.policy("source", **{"students/address.country": "odoo"})
        self.send_ok("students", STUDENT)
        student = self.student(STUDENT_ID)
        student.country_id = self.env.ref("base.us")
        document = copy.deepcopy(STUDENT)
        document["address"].update(country="France", city="Lyon")
        self.send_ok("students", document)
        self.assertEqual((student.country_id.code, student.city), ("US", "Lyon"))

    def test_only_managers_see_both_sides(self):
        self.policy("ask")
        self.both_change_the_phone()
        reader = new_test_user(self.env, "conflict-reader", groups="school_erp_sync.group_sync_writer")
        with self.assertRaises(AccessError):
            self.conflicts().with_user(reader).read(["external_id"])
        with self.assertRaises(AccessError):
            self.conflicts().line_ids.with_user(reader).action_keep()

    def test_closed_conflicts_expire_with_the_payloads(self):
        self.both_change_the_phone()
        conflict = self.conflicts("settled")
        self.env["school.sync.conflict"]._gc_closed()
        self.assertTrue(conflict.exists())
        self.env.cr.execute(
            "UPDATE school_sync_conflict SET write_date = now() - interval '31 days' WHERE id = %s", [conflict.id]
        )
        self.env.invalidate_all()
        self.env["school.sync.conflict"]._gc_closed()
        self.assertFalse(conflict.exists())


@tagged("post_install", "-at_install")
class TestWorkInOdoo(ConflictCase, AccountingCase):
    """What somebody has done to an invoice or a fee schedule is not undone by a document about something else."""

    def setUp(self):
        super().setUp()
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", STUDENT)

    def draft(self, **more):
        return {**BILLING, "status": "draft", "total": None, **more}

    def invoice(self):
        return self._record("billings", BILLING["externalId"]).move_id

    def test_lines_of_a_draft(self):
        self.send_ok("billings", self.draft())
        invoice = self.invoice()
        invoice.invoice_line_ids[0].price_unit = 250
        invoice.write({"invoice_line_ids": [Command.create({"name": "By hand", "price_unit": 5})]})
        invoice.partner_id = self.parent(MOTHER["externalId"]).partner_id
        self.send_ok("billings", self.draft(dueDate="2025-07-31", notes="Second"))
        self.assertEqual(invoice.invoice_line_ids.mapped("price_unit"), [250, 33.1, 5])
        self.assertEqual(invoice.partner_id.name, MOTHER["name"])
        self.assertEqual((str(invoice.invoice_date_due), "Second" in invoice.narration), ("2025-07-31", True))

    def test_lines_of_a_draft_with_a_total_are_not_posted_for_another(self):
        self.send_ok("billings", self.draft(total="389.37"))
        invoice = self.invoice()
        invoice.invoice_line_ids[0].price_unit = 250
        self.send_ok("billings", self.draft(total="389.37", dueDate="2025-07-31"))
        self.assertEqual((invoice.amount_total, str(invoice.invoice_date_due)), (339.37, "2025-07-31"))
        report = self.send("billings", self.draft(total="389.37", dueDate="2025-07-31", status="sent"))
        self.assertEqual(self.codes(report), {"/total": "total_mismatch"})

    def test_lines_that_odoo_keeps_may_have_no_product_and_can_be_put_back(self):
        self.send_ok("billings", self.draft())
        invoice = self.invoice()
        invoice.write({"invoice_line_ids": [Command.create({"name": "By hand", "price_unit": 5})]})
        self.policy("odoo")
        self.send_ok("billings", self.draft(dueDate="2025-07-31", lines=[{"code": "A", "amount": 3}]))
        self.assertEqual(len(invoice.invoice_line_ids), 3)
        self.policy("source")
        self.send_ok("billings", self.draft(dueDate="2025-07-31", lines=[{"code": "A", "amount": 4}]))
        self.assertEqual(invoice.amount_untaxed, 4)
        self.conflicts("settled")[:1].line_ids.action_restore()
        self.assertEqual(invoice.invoice_line_ids.mapped("name")[2:], ["By hand"])

    def test_what_people_change_on_the_invoice_itself(self):
        """Each part of an invoice that a document speaks of: who wins is a matter of the rule, and never of silence."""
        self.send_ok("parents", MOTHER)
        edits = (
            ("dueDate", {"invoice_date_due": "2030-01-01"}, "2025-07-31"),
            ("issueDate", {"invoice_date": "2025-05-05"}, "2025-06-02"),
            ("invoiceNumber", {"ref": "OURS-1"}, "PS-2025-0002"),
            ("notes", {"narration": "<p>Ours</p>"}, "Theirs"),
            ("payerExternalId", {"partner_id": self.parent(MOTHER["externalId"]).partner_id.id}, FATHER_ID),
            ("currency", {"currency_id": self.env.ref("base.EUR").id}, "GBP"),
        )
        (self.env.ref("base.EUR") + self.env.ref("base.GBP")).active = True
        for number, (path, edit, theirs) in enumerate(edits):
            with self.subTest(path):
                document = self.draft(externalId=f"BIL-{number}")
                self.policy("odoo")
                self.send_ok("billings", document)
                invoice = self._record("billings", f"BIL-{number}").move_id
                invoice.write(edit)
                held = self.document("billings", f"BIL-{number}").get(path)
                self.assertNotEqual(held, document.get(path))
                report = self.send_ok("billings", {**document, path: theirs})
                self.assertIn(f"/{path} was changed in Odoo as well", report.items[0].warnings[0])
                self.assertEqual(self.document("billings", f"BIL-{number}").get(path), held)
                # What lost is put in with a click.
                self.conflicts("settled")[:1].line_ids.action_restore()
                self.assertEqual(self.document("billings", f"BIL-{number}").get(path), theirs)
        self.assertEqual(invoice.currency_id.name, "GBP")

    def test_what_people_change_on_the_invoice_stays_where_the_source_is_silent(self):
        self.policy("ask")
        self.send_ok("billings", {**BILLING, "total": None})
        billing = self._record("billings", BILLING["externalId"])
        self.assertTrue(billing.is_overdue)
        billing.move_id.invoice_date_due = "2099-01-01"
        billing.move_id.payment_reference = "RF18 5390 0754 7034"
        self.assertEqual((str(billing.due_date), billing.is_overdue), ("2099-01-01", False))
        self.send_ok("billings", {**BILLING, "total": None, "notes": "1 < 2\nSecond line", "invoiceNumber": "PS-2"})
        invoice = billing.move_id
        self.assertEqual((str(invoice.invoice_date_due), invoice.ref), ("2099-01-01", "PS-2"))
        self.assertEqual(invoice.payment_reference, "RF18 5390 0754 7034")
        self.assertEqual(invoice.narration, "<p>1 &lt; 2<br>Second line</p>")
        self.assertEqual(self.document("billings", BILLING["externalId"])["notes"], "1 < 2\nSecond line")
        self.assertFalse(self.conflicts())

    def test_work_on_the_lines_of_a_draft_is_not_lost_when_the_source_changes_a_price(self):
        self.policy("ask")
        self.send_ok("billings", self.draft())
        invoice = self.invoice()
        fee, bus = invoice.invoice_line_ids
        account = fee.account_id.copy({"code": "SCHOOL.2"})
        fee.account_id = account
        fee.name = "School fee, first term"
        tax = self.env["account.tax"].create({"name": "School 5 %", "amount": 5})
        bus.tax_ids = tax
        invoice.invoice_line_ids = [Command.create({"display_type": "line_note", "name": "Thank you"})]
        lines = copy.deepcopy(BILLING["lines"])
        lines[0]["amount"], lines[1]["label"] = 310, "School bus"
        report = self.send("billings", self.draft(lines=[*lines, {"code": "LIB", "amount": 5}]))
        self.assertEqual(report.items[0].errors, [])
        self.assertEqual((fee.price_unit, fee.name, fee.account_id), (310, "School fee, first term", account))
        self.assertEqual((bus.price_unit, bus.name, bus.tax_ids), (33.1, "School bus", tax))
        self.assertEqual(
            invoice.invoice_line_ids.mapped("display_type"), ["product", "product", "line_note", "product"]
        )
        # The same text on both sides is for somebody to decide.
        lines[0]["label"] = "Tuition"
        report = self.send("billings", self.draft(lines=lines))
        self.assertEqual(self.codes(report), {"/lines": "conflict"})
        self.conflicts().action_take_all()
        self.assertEqual((fee.name, fee.account_id, len(invoice.invoice_line_ids)), ("Tuition", account, 3))

    def test_lines_of_one_code_in_another_order(self):
        self.send_ok("billings", self.draft(lines=[{"code": "A", "amount": 10}, {"code": "A", "amount": 20}]))
        first, second = self.invoice().invoice_line_ids
        first.sequence, second.sequence = 20, 10
        self.send_ok("billings", self.draft(lines=[{"code": "A", "amount": 15}, {"code": "A", "amount": 20}]))
        self.assertEqual(sorted(self.invoice().invoice_line_ids.mapped("price_unit")), [15, 20])

    def test_the_newest_edit_of_a_line_counts(self):
        self.policy("newest")
        self.send_ok("billings", self.draft())
        self.send_ok("fee-schedules", FEES)
        schedule, billing = self._record("fee-schedules", FEES["externalId"]), self._record("billings", "BIL-1")
        for record in (schedule, billing, billing.move_id):
            self.env.flush_all()
            self.env.cr.execute(f"UPDATE {record._table} SET write_date = '2025-01-01' WHERE id = %s", [record.id])
        self.env.invalidate_all()
        schedule.installment_ids[0].due_date = "2025-06-15"
        billing.move_id.invoice_line_ids[0].price_unit = 250
        fees = copy.deepcopy(FEES)
        fees["installmentPlan"]["schedule"][0]["due"] = "2025-06-20"
        earlier = "2025-02-01T00:00:00Z"
        self.send_ok("fee-schedules", {**fees, "updatedAt": earlier})
        self.send_ok("billings", self.draft(lines=[{"code": "A", "amount": 3}], updatedAt=earlier))
        self.assertEqual(str(schedule.installment_ids[0].due_date), "2025-06-15")
        self.assertEqual(billing.move_id.invoice_line_ids[0].price_unit, 250)

    def test_posted_while_somebody_was_to_decide(self):
        self.policy("ask")
        self.send_ok("billings", self.draft())
        invoice = self.invoice()
        invoice.invoice_line_ids[0].price_unit = 250
        self.send("billings", self.draft(lines=[{"code": "A", "amount": 3}]))
        invoice.action_post()
        with self.assertRaisesRegex(UserError, "is posted"):
            self.conflicts().action_take_all()
        self.conflicts().action_keep_all()
        self.assertEqual((invoice.state, invoice.amount_total, bool(self.conflicts())), ("posted", 339.37, False))

    def test_installments_and_discounts(self):
        self.send_ok("fee-schedules", FEES)
        schedule = self._record("fee-schedules", FEES["externalId"])
        schedule.installment_ids[0].due_date = "2025-06-15"
        fees = copy.deepcopy(FEES)
        fees["heads"][0]["label"] = "Tuition"
        self.send_ok("fee-schedules", fees)
        self.assertEqual(str(schedule.installment_ids[0].due_date), "2025-06-15")
        self.assertEqual(schedule.line_ids[0].label, "Tuition")

    def test_parts_that_depend_on_each_other_are_put_back_together(self):
        fees = {key: value for key, value in FEES.items() if key != "installmentPlan"}
        self.send_ok("fee-schedules", fees)
        schedule = self._record("fee-schedules", FEES["externalId"])
        schedule.write({"line_ids": [Command.update(schedule.line_ids[0].id, {"amount": 29000})], "total": 39000})
        newer = copy.deepcopy(fees)
        newer["heads"][0]["amount"], newer["total"] = 31000, 41000
        self.send_ok("fee-schedules", newer)
        self.assertEqual(schedule.total, 41000)
        self.conflicts("settled").action_restore_all()
        self.assertEqual((schedule.total, schedule.line_ids[0].amount), (39000, 29000))


@tagged("post_install", "-at_install")
class TestNoFalseConflict(ConflictCase, AccountingCase):
    """Where nobody in Odoo has touched a record, no change of its document is a conflict, however it is spelled."""

    def setUp(self):
        super().setUp()
        self.policy("ask")
        self.send_ok("parents", FATHER, MOTHER)
        self.send_ok("students", STUDENT)

    def assert_no_conflict(self, entity, first, *changes, same=()):
        """Send ``first`` and then, one after the other, each change (path, value); those in ``same`` mean the same."""
        first = copy.deepcopy(first)
        self.send_ok(entity, first)
        for status, path, value in [("updated", *one) for one in changes] + [("unchanged", *one) for one in same]:
            with self.subTest(entity=entity, path=path, value=value):
                document = copy.deepcopy(first)
                put(document, path, value)
                report = self.send(entity, document)
                self.assertEqual((self.statuses(report), self.codes(report)), ([status], {}))
                self.assertFalse(report.items[0].clashes)
                self.send_ok(entity, first)

    def test_parents(self):
        self.assert_no_conflict(
            "parents",
            {**FATHER, "externalId": "P", "students": [STUDENT_ID]},
            ("name", "Ramesh"),
            ("relation", None),
            ("phone", "98765 01235"),
            ("email", "Ramesh@Example.COM"),
            ("students", [{"externalId": STUDENT_ID, "priority": 2, "pays": True}]),
            ("students", []),
        )

    def test_students(self):
        self.assert_no_conflict(
            "students",
            {**copy.deepcopy(STUDENT), "externalId": "S", "gender": "M", "parents": [FATHER_ID]}
            | {"address": {**STUDENT["address"], "country": "IN", "state": "KA"}},
            ("gender", "Female"),
            ("dob", "2010-03-16"),
            ("languages", ["Hindi"]),
            ("languages", ["Hindi", "Hindi", "HINDI"]),
            ("languages", ["English"]),
            ("languages", []),
            ("health.allergies", ["Dust", "Peanuts"]),
            ("health", None),
            ("address.state", "Karnatka"),
            ("address.state", "Kerala"),
            ("address.country", "United States"),
            ("address", None),
            ("previousSchool.yearOfCompletion", 2023),
            ("previousSchool.yearOfCompletion", None),
            ("parents", [{"externalId": MOTHER["externalId"], "relation": "Aunt", "start": "2025-01-01"}]),
            ("transport.mode", ""),
            same=[("gender", "boy"), ("languages", ["Kannada", "Hindi", "English"]), ("address.country", "India")],
        )

    def test_academics(self):
        self.assert_no_conflict(
            "enrollments",
            {**ENROLLMENT, "status": "0"},
            ("status", "historical"),
            ("sectionId", None),
            ("academicYear", "2026-2027"),
            ("endDate", None),
            ("startDate", "2025-06-15"),
            ("course", "Chess"),
        )
        self.assert_no_conflict(
            "enrollments",
            {**ENROLLMENT, "externalId": "KG", "course": "Drawing", "gradeLevel": 0, "status": 0},
            ("gradeLevel", 1),
            ("gradeLevel", None),
            ("status", "2"),
        )
        self.assert_no_conflict(
            "applications",
            APPLICATION,
            ("status", "rejected"),
            ("gradeApplied", "Grade 9"),
            ("submittedAt", "2025-05-03T15:42:45+05:30"),
            ("decidedAt", None),
            same=[("studentExternalId", STUDENT_ID)],
        )
        self.assert_no_conflict("roster-assignments", ROSTER, ("rollNo", "8A-024"), ("sectionId", "B"))

    def test_a_colleagues_contact_is_left_alone_and_is_no_conflict(self):
        self.send_ok("parents", FATHER)
        contact = self.parent(FATHER_ID).partner_id
        new_test_user(self.env, "colleague", groups="base.group_user", partner_id=contact.id)
        for phone in ("+91 2222222222", "+91 3333333333"):
            report = self.send("parents", {**FATHER, "phone": phone})
            self.assertEqual(self.statuses(report), ["updated"])
            self.assertIn("member of staff", report.items[0].warnings[0])
        self.assertEqual(contact.phone, FATHER["phone"])

    def test_what_other_documents_have_done_is_nobodys_change(self):
        self.send_ok("enrollments", ENROLLMENT)
        self.send_ok("roster-assignments", ROSTER)
        enrollment = self._record("enrollments", "ENR-1")
        self.assertEqual(enrollment.section_id.code, ROSTER["sectionId"])
        self.assertEqual(self.statuses(self.send("enrollments", {**ENROLLMENT, "sectionId": "C"})), ["updated"])
        enrollment.section_id = self.env["school.section"].create({"code": "Z"})
        self.assertEqual(self.statuses(self.send("enrollments", {**ENROLLMENT, "sectionId": "D"})), ["conflict"])
        self.send_ok("students", {**STUDENT, "externalId": "STU-2"})
        self.send_ok("applications", APPLICATION)
        self.assertTrue(self._record("applications", APPLICATION["externalId"]).student_id)
        self.assertEqual(
            self.statuses(self.send("applications", {**APPLICATION, "studentExternalId": "STU-2"})), ["updated"]
        )

    def test_fee_schedules(self):
        self.env.ref("base.EUR").active = True
        self.assert_no_conflict(
            "fee-schedules",
            FEES,
            ("heads", [{"code": "SCHOOL_FEE", "label": "School", "amount": "30000.00"}, *FEES["heads"][1:]]),
            (
                "installmentPlan.schedule",
                [*FEES["installmentPlan"]["schedule"][:2], {"due": "2026-01-01", "amount": 10000}],
            ),
            ("firstPaymentLink.url", None),
            ("currency", "EUR"),
        )

    def test_drafts_of_billings(self):
        self.env.ref("base.EUR").active = True
        self.assert_no_conflict(
            "billings",
            {**BILLING, "status": "draft"},
            ("dueDate", "2025-07-15"),
            ("issueDate", "2025-06-02"),
            ("invoiceNumber", "X"),
            ("notes", None),
            ("currency", "EUR"),
            ("lines", [{"code": "SCHOOL_FEE", "label": "Fee", "amount": "389.37"}]),
            ("payerExternalId", FATHER_ID),
        )
        without = {key: value for key, value in BILLING.items() if key != "total"}
        self.send_ok("billings", {**without, "externalId": "B2", "status": "draft"})
        changed = {**without, "externalId": "B2", "status": "draft", "lines": [{"code": "A", "amount": 3}], "total": 3}
        self.assertEqual(self.statuses(self.send("billings", changed)), ["updated"])
