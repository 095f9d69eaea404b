"""A reply that is sent piece by piece, from content that is closed afterwards."""

from collections.abc import AsyncIterator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.domain.content import Kept


class Download(StreamingResponse):
    """Sends `pieces`, which come from `content` and have `length` bytes in all."""

    def __init__(
        self,
        content: Kept,
        pieces: AsyncIterator[bytes],
        *,
        length: int,
        headers: Mapping[str, str],
        status: int = 200,
    ) -> None:
        fields = {**headers, "content-length": str(length)}
        super().__init__(pieces, status_code=status, headers=fields)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._content.close()
