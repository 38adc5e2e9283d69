"""Values in parts on S3, through s3fs, which holds the connections, the credentials and the user's own settings.

s3fs sends and fetches parts too, but not so that they can be hashed as they pass, that one that failed goes alone, or
that ranges are of one value. Knows S3's words and nothing of podium.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from podium.stores.parts import First, Replaced

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["S3Parts", "is_s3"]

_NO_SUCH_RANGE = "InvalidRange"
_OTHER_VALUE = "PreconditionFailed"


def is_s3(filesystem: AbstractFileSystem) -> bool:
    """Whether a filesystem is s3fs, or made of it."""
    return any(base.__module__.startswith("s3fs.") for base in type(filesystem).__mro__)


class S3Parts:
    """See `Parts`."""

    def __init__(self, filesystem: AbstractFileSystem) -> None:
        self._fs = filesystem

    async def put_whole(self, path: str, data: bytes) -> None:
        """See `Parts.put_whole`."""
        await self._call("put_object", path, Body=data, **_kind_of(path))

    async def begin(self, path: str) -> str:
        """See `Parts.begin`."""
        return str((await self._call("create_multipart_upload", path, **_kind_of(path)))["UploadId"])

    async def put_part(self, path: str, upload: str, number: int, data: bytes) -> str:
        """See `Parts.put_part`."""
        answer = await self._call("upload_part", path, UploadId=upload, PartNumber=number, Body=data)
        return str(answer["ETag"])

    async def complete(self, path: str, upload: str, parts: list[str]) -> None:
        """See `Parts.complete`."""
        listed = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(parts, 1)]
        await self._call(
            "complete_multipart_upload", path, UploadId=upload, MultipartUpload={"Parts": listed}
        )

    async def abandon(self, path: str, upload: str) -> None:
        """See `Parts.abandon`."""
        await self._call("abort_multipart_upload", path, UploadId=upload)

    async def get_first(self, path: str, most_bytes: int) -> First | None:
        """See `Parts.get_first`. An empty value has no first byte, and S3 calls the question wrong."""
        try:
            answer = await self._call("get_object", path, Range=f"bytes=0-{most_bytes - 1}")
        except Exception as error:
            if _code(error) == _NO_SUCH_RANGE:
                return First(b"", 0, "")
            raise
        body = answer["Body"]
        try:
            told = str(answer.get("ContentRange") or "").rpartition("/")[2]
            size = int(told) if told.isdigit() else int(answer["ContentLength"])
            if not told.isdigit() and size > most_bytes:
                return None  # it sends the whole value, whatever is asked for
            return First(bytes(await body.read()), size, str(answer["ETag"]))
        finally:
            body.close()

    async def get_part(self, path: str, tag: str, start: int, end: int) -> bytes:
        """See `Parts.get_part`."""
        try:
            answer = await self._call("get_object", path, Range=f"bytes={start}-{end - 1}", IfMatch=tag)
        except Exception as error:
            if _code(error) in {_OTHER_VALUE, _NO_SUCH_RANGE}:
                raise Replaced from error
            raise
        try:
            if str(answer["ETag"]) != tag:
                raise Replaced  # a server that does not know the condition
            return bytes(await answer["Body"].read())
        finally:
            answer["Body"].close()

    async def _call(self, method: str, path: str, **arguments: object) -> Mapping[str, Any]:
        bucket, key, _ = self._fs.split_path(path)
        answer: Mapping[str, Any] = await self._fs._call_s3(method, Bucket=bucket, Key=key, **arguments)
        return answer


def _kind_of(path: str) -> dict[str, str]:
    kind, _ = mimetypes.guess_type(path)
    return {"ContentType": kind} if kind else {}


def _code(error: BaseException | None) -> str | None:
    """The word S3 gave; s3fs puts an error of Python's around botocore's."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, Mapping):
            code = response.get("Error", {}).get("Code")
            return str({"416": _NO_SUCH_RANGE, "412": _OTHER_VALUE}.get(str(code), code))
        error = error.__cause__
    return None
