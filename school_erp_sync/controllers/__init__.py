from . import dispatcher, inbound, redaction
