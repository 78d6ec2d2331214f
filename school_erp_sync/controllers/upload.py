"""The body of a request, read against the clock.

Odoo's servers limit how long a client may be silent (two seconds with several processes, for ever with threads), not
how long it may take: a client that sends a byte now and then keeps its process or thread for days.
"""

import contextlib
import io
import math
import selectors
import socket
import time
from collections.abc import Iterator

from werkzeug.serving import DechunkedInput

_PIECE = 256 * 1024


class Upload:
    """What the client sends after the headers of a request."""

    def __init__(self, httprequest):
        # Odoo shows neither the stream nor the connection of a request.
        environ = httprequest._HTTPRequest__wrapped.environ
        chunked = bool(environ.get("wsgi.input_terminated"))
        #: The number of bytes to wait for; infinite for a body in chunks.
        self.left = math.inf if chunked else httprequest.content_length or 0
        self._stream = environ["wsgi.input"]
        # Only Odoo's own servers show it; others have deadlines of their own.
        self._connection = environ.get("werkzeug.socket")
        self._paced = None
        if self._connection:
            self._paced = _Paced(self._connection, self._stream._rfile if chunked else self._stream)
            self._stream = DechunkedInput(io.BufferedReader(self._paced)) if chunked else self._paced

    def pieces(self, seconds: float) -> Iterator[bytes]:
        """Yield the body as it arrives.

        :raises TimeoutError: the client took longer than ``seconds``
        :raises EOFError: the client ended the request before its body was complete
        :raises OSError: the connection is broken, or the chunks are malformed
        """
        if self._paced:
            self._paced.deadline = time.monotonic() + seconds
        try:
            while self.left > 0:
                piece = self._stream.read(min(self.left, _PIECE))
                self.left = self.left - len(piece) if piece else 0
                yield piece
        except (OSError, EOFError):
            self.left = 0
            raise

    def drain(self, seconds: float) -> None:
        """Discard the rest of the body: a client that is still sending may otherwise lose the answer."""
        with contextlib.suppress(OSError, EOFError):
            for _piece in self.pieces(seconds):
                pass

    def close(self) -> None:
        """Receive no more. Odoo's servers otherwise read on after the answer, for as long as the client sends."""
        if self._connection:
            # The client may have closed the connection already.
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RD)


class _Paced(io.RawIOBase):
    """The bytes of a connection until a deadline.

    :param stream: reads from ``connection``, and may have read ahead
    """

    def __init__(self, connection, stream):
        self.deadline = 0
        self._connection = connection
        self._stream = stream

    def readable(self):
        return True

    def readinto(self, buffer):
        timeout = self._connection.gettimeout()
        # A read that times out would leave the stream unusable for the server. This one returns at once.
        self._connection.settimeout(0)
        try:
            piece = self._stream.read1(len(buffer))
            if time.monotonic() > self.deadline:
                raise TimeoutError
            if not piece:
                self._wait()
                piece = self._stream.read1(len(buffer))
        finally:
            self._connection.settimeout(timeout)
        if not piece:
            raise EOFError
        buffer[: len(piece)] = piece
        return len(piece)

    def _wait(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            if not selector.select(self.deadline - time.monotonic()):
                raise TimeoutError
