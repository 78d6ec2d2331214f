"""Those who talk to Odoo over HTTP: our API, and the two that Odoo has."""

import http.client
import json
import xmlrpc.client
from collections import Counter
from urllib.parse import urlsplit


class JsonClient:
    """Posts and gets JSON with an API key."""

    def __init__(self, url: str, key: str):
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def request(self, method: str, path: str, payload=None, *, also: tuple[int, ...] = ()):
        """Return the body of the answer.

        :param also: statuses that are expected besides success
        :raises RuntimeError: where it is another one
        """
        body = None if payload is None else json.dumps(payload).encode()
        # A server with workers ends each connection with its answer; the next request makes another one.
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        text = response.read()
        if (response.status >= 300 or response.status == 207) and response.status not in also:
            raise RuntimeError(f"{method} {path} was answered {response.status}: {text[:2000].decode()}")
        return json.loads(text)


class Api(JsonClient):
    """Our API."""

    def post(self, entity: str, payload):
        return self.request("POST", f"/api/{entity}", payload)

    def post_with_faults(self, entity: str, payload) -> Counter:
        """Post documents of which some are refused; return how many ended in which status."""
        body = self.request("POST", f"/api/{entity}", payload, also=(207, 422))
        return Counter(item["status"] for item in body["items"])

    def get(self, path: str):
        return self.request("GET", f"/api/{path}")


class Json2(JsonClient):
    """Odoo's JSON-2."""

    def call(self, model: str, method: str, **arguments):
        return self.request("POST", f"/json/2/{model}/{method}", arguments)


class XmlRpc:
    """Odoo's XML-RPC, as the administrator."""

    def __init__(self, url: str, database: str):
        login = ("admin", "admin")
        uid = xmlrpc.client.ServerProxy(f"{url}/xmlrpc/2/common").authenticate(database, *login, {})
        self._object = xmlrpc.client.ServerProxy(f"{url}/xmlrpc/2/object")
        self._who = (database, uid, login[1])

    def call(self, model: str, method: str, *arguments):
        return self._object.execute_kw(*self._who, model, method, arguments)

    def upsert(self, model: str, vals_list: list[dict]) -> None:
        """Search each record by its reference, then write or create it: what one writes in a script."""
        for vals in vals_list:
            found = self.call(model, "search", [("ref", "=", vals["ref"])])
            if found:
                self.call(model, "write", found, vals)
            else:
                self.call(model, "create", vals)
