"""The one exception with which the gateway says that it cannot start."""


class Refusal(Exception):
    """The gateway cannot start. The message is for its operator: it names the setting and the value."""
