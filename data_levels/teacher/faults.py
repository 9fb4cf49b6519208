"""What can go wrong with an endpoint.

Exception
|- Fault              may pass: tried again; never leaves the package
|- EndpointError      permanent, or did not pass: the job stops with its cause
`- BudgetExhausted    the job stops as it was told to; what was answered is kept
"""


class EndpointError(Exception):
    """The endpoint did not answer, or answered with something that is no chat completion."""


class BudgetExhausted(Exception):
    """The tokens or the money of this task are spent; nothing is wrong.

    Attributes:
        spent: Tokens or dollars paid so far.
        limit: What was allowed of them.
    """

    def __init__(self, message: str, spent: float = 0.0, limit: float = 0.0) -> None:
        super().__init__(message, spent, limit)
        self.spent = spent
        self.limit = limit

    def __str__(self) -> str:
        return str(self.args[0])


class Fault(Exception):
    """A fault that may pass; `wait_s` is what the endpoint asks for, if it does."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s
