"""What a store says to the operator when it cannot be opened. Callers of the API never see it."""


class StoreError(Exception):
    """The store cannot be opened. The message names the file or address and says what can be done."""
