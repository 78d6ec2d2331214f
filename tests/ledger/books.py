"""Two schools with the same chart of accounts: one is sent billings, in the other somebody types the invoices."""

from collections import defaultdict

from support import ok, unique

# What differs between any two invoices. So do columns of this addon, which only billings fill.
ACCIDENTS = {
    "id",
    "access_token",
    "company_id",
    "create_date",
    "create_uid",
    "inalterable_hash",
    "l10n_es_edi_verifactu_record_identifier",
    "l10n_sa_confirmation_datetime",
    "matching_number",
    "message_main_attachment_id",
    "move_id",
    "move_name",
    "name",
    "sequence_number",
    "write_date",
    "write_uid",
}
# How a record of another table is called, in whichever of both schools it is.
_NAMES = {
    "account_account": "name->>'en_US'",
    "account_fiscal_position": "name->>'en_US'",
    "account_journal": "code",
    "account_tax": "name->>'en_US'",
    "account_tax_group": "name->>'en_US'",
    "account_tax_repartition_line": "document_type || repartition_type || factor_percent",
    "product_product": "default_code",
    "res_partner": "name",
}
# Analytic accounts by their codes: Odoo says them in JSON.
_ANALYTIC = """
(SELECT jsonb_object_agg(
            (SELECT string_agg(code, ',' ORDER BY code) FROM account_analytic_account
              WHERE id = ANY(string_to_array(key, ',')::int[])), value)
   FROM jsonb_each(t.analytic_distribution))
"""
_LISTS = {
    "taxes": (
        "account_move_line_account_tax_rel",
        "account_move_line_id",
        "account_tax_id",
        "account_tax",
    ),
}


class School:
    """A company with a chart of accounts, customers and products."""

    def __init__(self, admin, tables, chart):
        self.admin, self.tables, self.chart = admin, tables, chart
        self.id = admin.create(
            "res.company", name=unique("Books"), country_id=self.find("res.country", code=chart.country)
        )
        company = dict(chart.company)
        if state := company.pop("state", None):
            company["state_id"] = self.state(chart.country, state)
        admin.write("res.company", self.id, **company)
        admin.write("res.users", admin.uid, company_ids=[(4, self.id)])
        self.context = {"allowed_company_ids": [self.id]}
        self.call("account.chart.template", "try_loading", [], chart.name, self.id, install_demo=False)
        self.customers, self.products = {}, {}
        journal = self.call("account.journal", "search_read", [("type", "=", "sale")], ["invoice_reference_model"])
        self.has_references = journal[0]["invoice_reference_model"] != "odoo"

    def call(self, model, method, *args, **kwargs):
        return self.admin.call(model, method, *args, context=self.context, **kwargs)

    def search(self, model, domain, **options):
        return self.call(model, "search", domain, **options)

    def find(self, model, **values):
        return next(
            iter(self.admin.call(model, "search", [(name, "=", value) for name, value in values.items()])), False
        )

    def state(self, country, code):
        return code and self.find("res.country.state", **{"country_id.code": country, "code": code})

    def ref(self, value):
        """The id that an external id stands for; any other value is itself."""
        if not isinstance(value, str) or "." not in value:
            return value
        module, name = value.split(".")
        (found,) = self.admin.read("ir.model.data", [("module", "=", module), ("name", "=", name)], ["res_id"])
        return found["res_id"]

    def know(self, names):
        """Write on the customers ``names``, by id, where they live and what they are."""
        places = [(place, kind) for place in self.chart.states for kind in self.chart.kinds]
        for number, (_name, partner_id) in enumerate(sorted(names.items())):
            (country, state), kind = places[number % len(places)]
            values = {
                "country_id": country and self.find("res.country", code=country),
                "state_id": self.state(country, state),
            }
            values |= {field: self.ref(value) for field, value in kind.items()}
            self.call("res.partner", "write", [partner_id], values)
        self.customers = names

    def agree(self, terms):
        """Give the company terms and structured references, and the customers ``terms`` of payment, in turn."""
        self.admin.write("res.company", self.id, invoice_terms="<p>Pay within the term.</p>")
        self.call(
            "account.journal",
            "write",
            self.search("account.journal", [("type", "=", "sale")]),
            {"invoice_reference_model": "number"},
        )
        self.has_references = True
        for number, (_name, partner_id) in enumerate(sorted(self.customers.items())):
            self.call("res.partner", "write", [partner_id], {"property_payment_term_id": terms[number % len(terms)]})

    def stock(self, codes, taxes):
        """Make a product of each of ``codes``, with the taxes of that code, if any."""
        for code in codes:
            values = {
                "name": code,
                "default_code": code,
                "type": "service",
                "company_id": self.id,
                "taxes_id": [(6, 0, taxes.get(code, []))],
            }
            (self.products[code],) = self.call("product.product", "create", [values])

    def sales_tax(self, **changes):
        """A tax of the chart on sales, or one like it with ``changes``."""
        domain = [("type_tax_use", "=", "sale"), ("amount", ">", 0), ("amount_type", "in", ("percent", "group"))]
        first = self.search("account.tax", [*domain, ("company_id", "=", self.id)], limit=1)
        if not changes or not first:
            return first
        return self.call("account.tax", "copy", first, default=changes)

    def rows(self, table, column, ids):
        """The rows of ``table``, with what they refer to by its name."""
        columns = self.tables.rows(
            """
            SELECT a.attname, f.relname
              FROM pg_attribute a
              LEFT JOIN pg_constraint c ON c.conrelid = a.attrelid AND c.contype = 'f' AND c.conkey = ARRAY[a.attnum]
              LEFT JOIN pg_class f ON f.oid = c.confrelid
             WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY a.attnum
            """,
            table,
        )
        shown = [
            (name, f"(SELECT {_NAMES[other]} FROM {other} WHERE id = t.{name})" if other in _NAMES else f"t.{name}")
            for name, other in columns
            if name not in ACCIDENTS and not name.startswith("school_")
        ]
        shown = [(name, _ANALYTIC if name == "analytic_distribution" else what) for name, what in shown]
        for name, (relation, own, theirs, other) in _LISTS.items() if table == "account_move_line" else ():
            shown.append(
                (
                    name,
                    f"ARRAY(SELECT {_NAMES[other]} FROM {relation} r JOIN {other} o ON o.id = r.{theirs} "
                    f"WHERE r.{own} = t.id ORDER BY 1)",
                )
            )
        found = self.tables.rows(
            f"SELECT {', '.join(expression for _name, expression in shown)} FROM {table} t WHERE {column} = ANY(%s)",
            ids,
        )
        return [dict(zip((name for name, _expression in shown), row, strict=True)) for row in found]

    def ledger(self, move_ids):
        """The invoices by their reference, each with its journal items."""
        moves = {row["ref"]: row for row in self.rows("account_move", "id", move_ids)}
        items = defaultdict(list)
        for row in self.rows("account_move_line", "move_id", move_ids):
            items[row["ref"]].append(row)
        return {ref: {**move, "items": sorted(items[ref], key=repr)} for ref, move in moves.items()}

    def numbers(self, move_ids):
        """What stands before the number of each invoice, by reference."""
        return dict(
            self.tables.rows(
                r"SELECT ref, regexp_replace(name, '\d+$', '') FROM account_move WHERE id = ANY(%s)", move_ids
            )
        )


class Sent(School):
    """A school that is sent billings."""

    def __init__(self, admin, tables, chart, families):
        super().__init__(admin, tables, chart)
        self.api = admin.new_source(company_id=self.id).api
        parents = [{"externalId": f"P{number:02}", "name": f"Guardian {number:02}"} for number in range(families)]
        students = [
            {
                "externalId": f"S{number:02}",
                "fullName": f"Student {number:02}",
                "parents": [{"externalId": f"P{number:02}", "pays": True}],
            }
            for number in range(families)
        ]
        made = ok(self.api.post("sync", {"parents": parents, "students": students}))
        ids = [item["id"] for item in made["parents"]["items"]]
        partners = admin.call("school.parent", "read", ids, ["name", "partner_id"], context=self.context)
        self.know({one["name"]: one["partner_id"][0] for one in partners})

    def share_out(self, plans, grades):
        """Have invoices go to analytic accounts of ``plans``.

        :param grades: the grade of each student
        """
        grade_plan, head_plan = plans
        self.admin.write("res.company", self.id, school_grade_plan_id=grade_plan, school_fee_head_plan_id=head_plan)
        enrollments = [
            {
                "externalId": f"E-{student}",
                "studentExternalId": student,
                "academicYear": "2026",
                "gradeLevel": grade,
                "startDate": "2026-01-01",
                "status": "active",
            }
            for student, grade in grades.items()
        ]
        ok(self.api.post("enrollments", enrollments))

    def bill(self, billings):
        """:return: the ids of the invoices"""
        answer = ok(self.api.post("billings", billings))
        ids = [item["id"] for item in answer["items"]]
        return [one["move_id"][0] for one in self.call("school.billing", "read", ids, ["move_id"])]


class Typed(School):
    """A school where somebody types the invoices."""

    def __init__(self, admin, tables, chart, families):
        super().__init__(admin, tables, chart)
        names = [f"Guardian {number:02}" for number in range(families)]
        values = [{"name": name, "ref": f"P{name[-2:]}", "company_id": self.id} for name in names]
        self.know(dict(zip(names, self.call("res.partner", "create", values), strict=True)))
        self.grades, self.accounts = {}, {}

    def share_out(self, plans, grades):
        """Have invoices go to analytic accounts of ``plans``.

        :param grades: the grade of each student
        """
        self.grades = grades
        for plan, codes in zip(plans, (set(grades.values()), self.products), strict=True):
            for code in codes:
                values = {"name": code, "code": code, "plan_id": plan, "company_id": self.id}
                (self.accounts[code],) = self.call("account.analytic.account", "create", [values])

    def bill(self, billings):
        """:return: the ids of the invoices, made and posted one by one"""
        return [self._type(billing) for billing in billings]

    def _type(self, billing):
        customer = self.customers[f"Guardian {billing['studentExternalId'][1:]}"]
        values = {
            "move_type": "out_invoice",
            "company_id": self.id,
            "partner_id": customer,
            "currency_id": self.find("res.currency", name=billing["currency"]),
            "invoice_date": billing["issueDate"],
            "invoice_user_id": False,
            "ref": billing.get("invoiceNumber", billing["externalId"]),
            "invoice_line_ids": [
                (0, 0, self._line(line, self.grades.get(billing["studentExternalId"]))) for line in billing["lines"]
            ],
        }
        if "dueDate" in billing:
            values |= {"invoice_payment_term_id": False, "invoice_date_due": billing["dueDate"]}
        if "invoiceNumber" in billing and not self.has_references:
            values["payment_reference"] = billing["invoiceNumber"]
        (move_id,) = self.call("account.move", "create", [values])
        self.call("account.move", "action_post", [move_id])
        return move_id

    def _line(self, line, grade):
        accounts = sorted((self.accounts[grade], self.accounts[line["code"]])) if grade else ()
        return {
            **({"analytic_distribution": {",".join(map(str, accounts)): 100}} if accounts else {}),
            "product_id": self.products[line["code"]],
            "name": line["label"],
            "quantity": float(line.get("quantity", 1)),
            "price_unit": float(line["unitPrice"]),
            "discount": float(line.get("discount", 0)),
        }
