def notify(kind: str, message: str, next_action: dict | None = None) -> dict:
    """The client action that tells the user ``message``, and then shows anew what has changed.

    :param kind: success, warning or danger
    :param next_action: what to show instead
    """
    return {
        "type": "ir.actions.client",
        "tag": "display_notification",
        "params": {
            "type": kind,
            "message": message,
            "next": next_action or {"type": "ir.actions.client", "tag": "soft_reload"},
        },
    }
