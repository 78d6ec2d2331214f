"""What one would do otherwise, in the process of Odoo: the part of the benchmark that runs inside `odoo shell`.

The shell is Odoo's superuser, for whom no access rule is looked up: that favours the baselines. Each function takes
values that are ready, does its work, commits, and returns the seconds that both took.
"""

import time
import traceback
from multiprocessing.connection import Client

from odoo.fields import Command


def create(env, model, vals_list):
    """One ``create`` of many records."""
    return _timed(env, lambda: env[model].create(vals_list))


def create_one_by_one(env, model, vals_list):
    """A ``create`` and a commit each."""

    def work():
        for vals in vals_list:
            env[model].create(vals)
            env.cr.commit()

    return _timed(env, work)


def write_one_by_one(env, model, vals_by_ref):
    """A ``write`` on each record, found by reference beforehand; one commit."""
    records = {record.ref: record for record in env[model].search([("ref", "in", list(vals_by_ref))])}
    env.invalidate_all()

    def work():
        for ref, vals in vals_by_ref.items():
            records[ref].write(vals)

    return _timed(env, work)


def load(env, model, columns, rows):
    """``load()``, Odoo's import by external id."""

    def work():
        result = env[model].load(columns, rows)
        if not result["ids"]:
            raise ValueError(result["messages"])

    return _timed(env, work)


def bill(env, bills):
    """``create`` and ``action_post`` of customer invoices, as an accountant's script would.

    :param bills: for each invoice ``ref, partner_ref, lines`` (code, label, price), ``date, due``
    """
    products = env["product.product"].search([("default_code", "in", [line[0] for bill in bills for line in bill[2]])])
    product_ids = {product.default_code: product.id for product in products}
    partner_ids = dict(
        env["school.sync.binding"]
        .search([("entity", "=", "parents"), ("external_id", "in", [bill[1] for bill in bills])])
        .mapped(lambda binding: (binding.external_id, env["school.parent"].browse(binding.res_id).partner_id.id))
    )
    vals_list = [
        {
            "move_type": "out_invoice",
            "partner_id": partner_ids[partner_ref],
            "invoice_date": date,
            "invoice_date_due": due,
            "invoice_payment_term_id": False,
            "ref": ref,
            "payment_reference": ref,
            "invoice_line_ids": [
                Command.create({"product_id": product_ids[code], "name": label, "quantity": 1, "price_unit": price})
                for code, label, price in lines
            ],
        }
        for ref, partner_ref, lines, date, due in bills
    ]
    return _timed(env, lambda: env["account.move"].create(vals_list).action_post())


def make_key(env):
    """An API key of the administrator for JSON-2, and how the company's currency is called."""
    key = env["res.users.apikeys"].with_user(env.ref("base.user_admin"))._generate("rpc", "bench", False)
    env.cr.commit()
    return key, env.company.currency_id.name


def _timed(env, work):
    env.invalidate_all()
    started = time.perf_counter()
    work()
    env.cr.commit()
    return time.perf_counter() - started


def serve(env, address):
    """Do what is asked over ``address``, one call after the other, until the other end hangs up."""
    with Client(address) as connection:
        while True:
            try:
                name, arguments = connection.recv()
            except EOFError:
                return
            # What others have committed meanwhile is to be seen.
            env.cr.rollback()
            try:
                connection.send((globals()[name](env, *arguments), None))
            except Exception:
                # Whatever it is, it is the other process that tells of it.
                connection.send((None, traceback.format_exc()))
