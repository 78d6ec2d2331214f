"""What is measured: a function a row of the table, whose docstring says what its figures are.

"Ours" is always an HTTP request with an API key to a server of one worker, from the first byte of JSON made until the
answer is read: key, validation, access rules, records, bindings, log and commit included. Where nothing else is said, a
batch is 1,000 documents, and a rate is documents a second.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain, repeat

import crowd
import documents
import filling
from timing import Check, Race, progress, timed

BATCH = 1000
ROWS: dict[str, Callable[..., Iterator[Check]]] = {}
#: what takes minutes for one figure, and so has to be asked for
ON_REQUEST = frozenset({"imports"})


def row(function):
    ROWS[function.__name__] = function
    return function


def _send(api, entity, batch):
    """A contestant of ours: what ``batch`` makes, which is not timed, posted, which is."""

    def contestant():
        payload = batch()
        return timed(lambda: api.post(entity, payload), len(payload))

    return contestant


def _shell(site, name, *arguments_of):
    """A contestant in the process of Odoo, where the time is taken; what is sent there is made beforehand."""

    def contestant():
        *arguments, work = (argument() if callable(argument) else argument for argument in arguments_of)
        return len(work), site.shell(name, *arguments, work)

    return contestant


def _one_by_one(call, values):
    """A contestant that makes a call for each of ``values``."""

    def contestant():
        each = values()

        def work():
            for one in each:
                call(one)

        return timed(work, len(each))

    return contestant


def _known_parents(api, amount: int) -> list[dict]:
    """New parents that Odoo knows."""
    made = documents.parents(amount)
    _post_all(api, "parents", made)
    return made


def _known_students(api, amount: int) -> list[dict]:
    made = _new_students(api, amount)
    _post_all(api, "students", made)
    return made


def _post_all(api, entity: str, made: list[dict]) -> None:
    for first in range(0, len(made), BATCH):
        api.post(entity, made[first : first + BATCH])


def _new_students(api, amount: int) -> list[dict]:
    """Students whose parents Odoo knows, two each, and who are new themselves."""
    people = _known_parents(api, 2 * amount)
    return documents.students(list(zip(people[::2], people[1::2], strict=True)))


@row
def parents(lab):
    """New parents: a batch, with name, relation, occupation, phone, e-mail and portal id.

    Against one ORM `create` of as many plain contacts (name, reference, occupation, phone, e-mail); XML-RPC one by one
    (`search` by reference, then `create`); JSON-2 `create` one by one, and of the whole list; `load()` by external id.
    """
    site, batch, few = lab.site("school"), lab.amount(BATCH, 20), lab.amount(40, 3)
    race = Race(
        lab.rounds,
        ours=_send(site.api, "parents", lambda: documents.parents(batch)),
        orm=_shell(site, "create", "res.partner", lambda: documents.contacts(documents.parents(batch))),
        xml_rpc=_one_by_one(
            lambda vals: site.xmlrpc.upsert("res.partner", [vals]), lambda: documents.contacts(documents.parents(few))
        ),
        json2=_one_by_one(
            lambda vals: site.json2.call("res.partner", "create", vals_list=[vals]),
            lambda: documents.contacts(documents.parents(few)),
        ),
        json2_list=_create_list(site, batch),
        load=_shell(
            site,
            "load",
            "res.partner",
            documents.CONTACT_COLUMNS,
            lambda: documents.contact_rows(documents.parents(batch)),
        ),
    )
    work = "new parents, batch"
    yield race.check(work, "ORM create of contacts, in process", "ours", "orm", 1.5)
    yield race.check(work, "XML-RPC, one by one", "ours", "xml_rpc", 25)
    yield race.check(work, "JSON-2 create, one by one", "ours", "json2")
    yield race.check(work, "JSON-2 create of a list", "ours", "json2_list")
    yield race.check(work, "load(), in process", "ours", "load")


def _create_list(site, amount):
    def contestant():
        vals_list = documents.contacts(documents.parents(amount))
        return timed(lambda: site.json2.call("res.partner", "create", vals_list=vals_list), amount)

    return contestant


@row
def students(lab):
    """New students, each with every field of the contract and links to two parents that Odoo knows: a batch.

    Against one ORM `create` of as many plain contacts as there are students.
    """
    site, batch = lab.site("school"), lab.amount(BATCH, 20)
    race = Race(
        lab.rounds,
        ours=_send(site.api, "students", lambda: _new_students(site.api, batch)),
        orm=_shell(site, "create", "res.partner", lambda: documents.contacts(documents.parents(batch))),
    )
    yield race.check("new students with two parents each, batch", "ORM create of contacts", "ours", "orm", 1.0)


@row
def again(lab):
    """What is known already, sent again: a batch of parents in which nothing changed, and one in which every parent has
    another occupation, phone and e-mail.

    Against `load()` of as many contacts again, unchanged or with the same three changes, and against ORM `write` of
    these three fields on one contact after the other, with one commit.
    """
    site, batch = lab.site("school"), lab.amount(BATCH, 20)
    known = _known_parents(site.api, batch)
    to_change = _known_parents(site.api, batch)
    loaded, to_load = documents.parents(batch), documents.parents(batch)
    for people in (loaded, to_load):
        site.shell("load", "res.partner", documents.CONTACT_COLUMNS, documents.contact_rows(people))
    written = documents.parents(batch)
    site.shell("create", "res.partner", documents.contacts(written))

    def change(people):
        people[:] = documents.changed(people)
        return people

    race = Race(
        lab.rounds,
        unchanged=_send(site.api, "parents", lambda: known),
        changed=_send(site.api, "parents", lambda: change(to_change)),
        load_again=_shell(
            site, "load", "res.partner", documents.CONTACT_COLUMNS, lambda: documents.contact_rows(loaded)
        ),
        load_changed=_shell(
            site, "load", "res.partner", documents.CONTACT_COLUMNS, lambda: documents.contact_rows(change(to_load))
        ),
        write=_shell(site, "write_one_by_one", "res.partner", lambda: _changes(change(written))),
    )
    unchanged, changed = "unchanged documents, batch", "changed documents (3 fields), batch"
    yield race.check(unchanged, "load() again", "unchanged", "load_again", 50)
    yield Check(unchanged, "records/s", race.rate("unchanged"), "10,000 records/s", None, None, 10_000)
    yield race.check(changed, "load() again, unchanged", "changed", "load_again", 5)
    yield race.check(changed, "load() again, changed", "changed", "load_changed")
    yield race.check(changed, "ORM write, one by one in process", "changed", "write", 1.0)


def _changes(people: list[dict]) -> dict[str, dict]:
    return {
        vals["ref"]: {name: vals[name] for name in ("function", "phone", "email")}
        for vals in documents.contacts(people)
    }


@row
def single(lab):
    """One parent a request, one request after the other: new ones, and known ones in which nothing changed.

    Against JSON-2 `create` of a plain contact a request, over a connection that is kept open as ours is.
    """
    site, amount = lab.site("school"), lab.amount(100, 5)
    known = _known_parents(site.api, amount)
    race = Race(
        lab.rounds,
        new=_one_by_one(lambda document: site.api.post("parents", document), lambda: documents.parents(amount)),
        unchanged=_one_by_one(lambda document: site.api.post("parents", document), lambda: known),
        json2=_one_by_one(
            lambda vals: site.json2.call("res.partner", "create", vals_list=[vals]),
            lambda: documents.contacts(documents.parents(amount)),
        ),
    )
    yield race.check("new document, one POST at a time", "JSON-2 create, one at a time", "new", "json2", 1.0)
    yield race.check(
        "unchanged document, one POST at a time", "JSON-2 create, one at a time", "unchanged", "json2", 2.0
    )


#: What must differ between two journal items: whose they are, when and by whom they were written. The columns that the
#: addon adds, `school_…`, are ours alone.
OF_THE_ROW = ("id", "move_id", "move_name", "create_uid", "create_date", "write_uid", "write_date")


@row
def billings(lab):
    """Billings of four lines, created and posted: a batch of 200, each with a student and a payer that Odoo knows.

    Against ORM `create` of as many customer invoices with the same lines and the same customers, and `action_post` on
    all of them, with one commit. Their journal items are compared, column by column, with those that ours made.
    """
    site, batch = lab.site("school"), lab.amount(200, 5)
    children = _known_students(site.api, batch)

    def new():
        return documents.billings(children, site.currency)

    # Makes the products of the fees as well.
    site.api.post("billings", new())
    race = Race(
        lab.rounds,
        ours=_send(site.api, "billings", new),
        orm=_shell(site, "bill", lambda: [_bill(document) for document in new()]),
    )
    same = _journal_items(site, billed=True) == _journal_items(site, billed=False)
    work = "billings, 4 lines, created and posted, batch of 200"
    yield race.check(work, "ORM create + action_post", "ours", "orm", 4)
    yield Check(work, "identical", float(same), "journal items of both", None, None, 1)


@row
def refused(lab):
    """A batch of 1,000 billings of four lines, of which 1, 25 and 100 % are refused: for a total that the lines do not
    add up to, with taxes or without, a negative total, or payments that leave something open where the status is paid.

    Against the same batch with none refused.
    """
    site, batch = lab.site("school"), lab.amount(BATCH, 20)
    children = _known_students(site.api, batch)
    # Makes the products of the fees.
    site.api.post("billings", documents.billings(children[:1], site.currency))

    def send(share):
        def contestant():
            payload = documents.faulty(documents.billings(children, site.currency), share)

            def work():
                ends = site.api.post_with_faults("billings", payload)
                assert ends["failed"] == round(batch * share) == batch - ends["created"], ends

            return timed(work, batch)

        return contestant

    race = Race(lab.rounds, none=send(0), few=send(0.01), many=send(0.25), all=send(1))
    for name, share in (("few", 1), ("many", 25), ("all", 100)):
        yield race.check_cost(f"batch of 1,000 billings, {share} % refused", "none refused", name, "none", 3, batch)


def _bill(document: dict) -> tuple:
    lines = [(line["code"], line["label"], float(line["amount"])) for line in document["lines"]]
    return (
        document["invoiceNumber"],
        document["payerExternalId"],
        lines,
        document["issueDate"],
        document["dueDate"],
    )


def _journal_items(site, *, billed: bool) -> list[tuple]:
    """The journal items of the newest posted invoice of each reference, made by us (``billed``) or not."""
    return site.query(
        r"""
        WITH newest AS (
            SELECT DISTINCT ON (ref) id, ref FROM account_move
             WHERE move_type = 'out_invoice' AND state = 'posted' AND ref LIKE 'INV-STU-%%'
               AND (school_billing_id IS NOT NULL) = %s
             ORDER BY ref, id DESC
        )
        SELECT newest.ref, to_jsonb(line) - %s::text[] - ARRAY(
                   SELECT attname::text FROM pg_attribute
                    WHERE attrelid = 'account_move_line'::regclass AND attname LIKE 'school\_%%')
          FROM account_move_line line JOIN newest ON newest.id = line.move_id
         ORDER BY newest.ref, line.id
        """,
        billed,
        list(OF_THE_ROW),
    )


@row
def bundle(lab):
    """500 new families in one `POST /api/sync`: 1,000 parents and of each of students, applications, enrollments, fee
    schedules and billings 500; seven documents a family, in families a second.

    Against the same documents in a request for each entity.
    """
    site, amount = lab.site("school"), lab.amount(500, 5)
    site.query("UPDATE school_sync_source SET max_documents = 100000, max_mebibytes = 64")

    def together():
        bundle = documents.families(amount, site.currency)
        return timed(lambda: site.api.post("sync", bundle), amount)

    def apart():
        bundle = documents.families(amount, site.currency)

        def work():
            for entity, batch in bundle.items():
                site.api.post(entity, batch)

        return timed(work, amount)

    race = Race(lab.rounds, ours=together, apart=apart)
    yield race.check("mixed bundle of 500 families", "the separate calls", "ours", "apart", 0.9, unit="families/s")


@row
def employees(lab):
    """A page of 500 employees that are pending: page 200 of 100,000 against page 1 of 1,000, in a database each.

    A round is ten requests to each.
    """
    page, small, large = lab.amount(500, 5), _small(lab), _large(lab)
    pages = lab.amount(200, 5)
    cursor = "employees?limit=%d" % page
    path = cursor
    progress(f"turning to page {pages}")
    for _number in range(pages - 1):
        path = f"{cursor}&cursor={large.api.get(path)['nextCursor']}"
    assert len(large.api.get(path)["items"]) == page

    def get(site, path):
        return _one_by_one(site.api.get, lambda: [path] * lab.amount(10, 2))

    race = Race(lab.rounds, ours=get(large, path), small=get(small, cursor))
    yield race.check_cost("GET /api/employees, page of 500", "page 1 of 1,000", "ours", "small", 1.1)


@row
def growth(lab):
    """A batch of parents where 1,000,000 are bound, against the same batch where 10,000 are, in a database each: new
    ones, unchanged ones, and such with three changes.
    """
    batch = lab.amount(BATCH, 20)
    contestants = {}
    for name, site in (("ours", _large(lab)), ("small", _small(lab))):
        known, to_change = _known_parents(site.api, batch), _known_parents(site.api, batch)

        def change(people=to_change):
            people[:] = documents.changed(people)
            return people

        contestants[f"{name}_new"] = _send(site.api, "parents", lambda: documents.parents(batch))
        contestants[f"{name}_unchanged"] = _send(site.api, "parents", lambda known=known: known)
        contestants[f"{name}_changed"] = _send(site.api, "parents", change)
    race = Race(lab.rounds, **contestants)
    for kind in ("new", "unchanged", "changed"):
        work = f"growth: batch of {kind} parents at 1,000,000 bindings"
        yield race.check_cost(work, "at 10,000 bindings", f"ours_{kind}", f"small_{kind}", 1.2, batch)


def _small(lab):
    return _filled(lab.site("school"), employees=lab.amount(1000, 100), bindings=lab.amount(10_000, 100))


def _large(lab):
    return _filled(lab.site("large"), employees=lab.amount(100_000, 1000), bindings=lab.amount(1_000_000, 1000))


@cache
def _filled(site, employees, bindings):
    filling.fill_parents(site, bindings)
    filling.fill_employees(site, employees)
    return site


@row
def workers(lab):
    """A batch of new parents, posted again and again by two clients at once to a server of two workers, against one
    client of the same server; each client sends four batches a round.
    """
    site, batch = lab.site("pair", workers=2), lab.amount(BATCH, 20)
    clients = [site.new_client() for _number in range(2)]

    def send(api):
        for _number in range(4):
            api.post("parents", documents.parents(batch))

    def contestant(clients):
        def together():
            with ThreadPoolExecutor(len(clients)) as pool:
                list(pool.map(send, clients))

        return lambda: timed(together, 4 * batch * len(clients))

    race = Race(lab.rounds, two=contestant(clients), one=contestant(clients[:1]))
    yield race.check("two workers, two clients", "one worker, one client", "two", "one", 1.8)


@row
def whole(lab):
    """20,000 new students, with every field of the contract and two parents each, in batches of 1,000: the last tenth
    of the batches against the first. Then a page of 1,000 of them, the last against the first; the last and the first
    are read in turn.
    """
    site, batch, batches = lab.site("whole"), lab.amount(BATCH, 5), 20
    tenth, seconds = batches // 10, []
    for number in range(batches):
        progress(f"batch {number + 1} of {batches}")
        payload = _new_students(site.api, batch)
        seconds.append(timed(lambda payload=payload: site.api.post("students", payload))[1])
    first, last = (1000 * sum(part) / tenth for part in (seconds[:tenth], seconds[-tenth:]))
    yield Check("20,000 students, the last batches of 1,000", "ms", last, "the first", first, last / first, 1.2, True)
    pages = [f"students?limit={batch}"]
    for _number in range(batches - 1):
        pages.append(f"{pages[0]}&cursor={site.api.get(pages[-1])['nextCursor']}")
    race = Race(
        lab.rounds,
        **{
            name: _one_by_one(site.api.get, lambda path=path: [path] * lab.amount(5, 1))
            for name, path in (("ours", pages[-1]), ("first", pages[0]))
        },
    )
    yield race.check_cost("GET /api/students, page of 1,000, the last of 20", "the first", "ours", "first", 1.2)


@row
def stream(lab):
    """Families whose documents come in any order from four clients at once to a server of four workers: one document a
    request, then eight in a bundle. What comes before what it refers to is parked.

    A family is two parents, a student, an application, an enrollment, a fee schedule and a billing.
    """
    site = lab.site("crowd", workers=4)
    clients = [site.new_client() for _number in range(4)]
    for how, size in (("one by one", 1), ("in eights", 8)):
        for families in (lab.amount(20, 1), lab.amount(150, 2)):
            progress(f"{families} families, {how}")
            requests = documents.shuffled(documents.families(families, site.currency), size)
            # The first time warms up.
            tally = crowd.send_all(clients, requests)
        work, rate = f"stream of families, {how}, four clients", 7 * families / tally.seconds
        yield Check(work, "documents/s", rate, "twice the first measurement", None, None, 74)
        yield Check(work, "ms", tally.within(99), "99 % of the requests within", None, None, 1000, True)
        yield Check(work, "ms", tally.within(100), "the slowest request", None, None, None)


#: Ed-Fi ODS, published, on 2 + 2 virtual CPUs: requests a second, and milliseconds
ED_FI_RATE, ED_FI_MEAN, ED_FI_SLOWEST = 35, 73, 9900


@row
def load(lab):
    """30 clients with mixed work for a minute, against a server of four workers: single parents (new, known, changed),
    batches, documents and pages read, documents refused, families with a billing. None may be told 5xx or cut off.

    Each client sends its next request when it has its answer, so what a request takes is mostly waiting for its turn.
    """
    site = lab.site("crowd", workers=4)
    clients = [site.new_client() for _number in range(30)]
    crowd.together(clients, crowd.mixed(lab.scale * 10, site.currency))
    progress("30 clients")
    tally = crowd.together(clients, crowd.mixed(lab.scale * 60, site.currency))
    work = "30 clients, mixed work, a minute"
    yield Check(work, "requests/s", tally.rate, "Ed-Fi ODS, published", ED_FI_RATE, tally.rate / ED_FI_RATE, 1.0)
    yield Check(work, "ms", tally.mean, "mean; Ed-Fi ODS, published", ED_FI_MEAN, None, None)
    for percent in (50, 95, 99):
        yield Check(work, "ms", tally.within(percent), f"{percent} % of the requests within", None, None, None)
    slowest = tally.within(100)
    yield Check(work, "ms", slowest, "slowest; Ed-Fi ODS, published", ED_FI_SLOWEST, slowest / ED_FI_SLOWEST, 1.0, True)


@row
def memory(lab):
    """The private memory of the worker after 1,000 batches, against that after the first 100.

    A batch is 10 parents that are new, 10 that changed and 30 that did not.
    """
    site, batches = lab.site("school"), lab.amount(1000, 20)
    new, changing, same = (lab.amount(usual, 2) for usual in (10, 10, 30))
    known, to_change = _known_parents(site.api, same), _known_parents(site.api, changing)
    after = []
    for number in range(1, batches + 1):
        to_change = documents.changed(to_change)
        site.api.post("parents", [*documents.parents(new), *to_change, *known])
        if number in (batches // 10, batches):
            after.append(site.worker_memory())
        if number % (batches // 10) == 0:
            progress(f"{number} batches of {batches}: the worker has {site.worker_memory():.1f} MiB")
    yield Check(
        "memory of a worker over 1,000 batches", "MiB", after[1], "after 100", after[0], after[1] / after[0], 1.05, True
    )


@row
def imports(lab):
    """1,000 new employees imported with `load()`, where the addon is installed and a source is sent all of them.

    Against the same in a database without the addon.
    """
    amount = lab.amount(BATCH, 10)
    sites = {"ours": lab.site("import"), "without": lab.site_without_addon()}
    # A tenth is enough to warm up, and takes a tenth of a quarter of a minute.
    sizes = {name: chain([max(amount // 10, 1)], repeat(amount)) for name in sites}
    race = Race(
        lab.rounds,
        **{
            name: _shell(
                site,
                "load",
                "hr.employee",
                documents.EMPLOYEE_COLUMNS,
                lambda name=name: documents.employee_rows(next(sizes[name])),
            )
            for name, site in sites.items()
        },
    )
    yield race.check_cost("load() of 1,000 employees", "without the addon", "ours", "without", 1.1, amount)
