from . import dispatcher, employees, inbound, redaction, statements
