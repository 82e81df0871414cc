"""Downloads a file from the first of several mirrors that has an intact copy."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

from fastbp.disk import written_whole
from fastbp.progress import LiveLine
from fastbp.tables.errors import DataFileError

TIMEOUT = 30.0  # seconds without an answer, after which the next mirror is tried

_CHUNK = 1 << 16


class _TransferError(Exception):
    """A mirror could not be reached or broke off; the next one may work."""


def download(
    urls: Sequence[str], target: Path, *, check: Callable[[Path], object], max_bytes: int, progress: bool = True
) -> None:
    """Write `target`, in a folder that exists, from the first of `urls` whose content passes `check`.

    The content goes to a temporary file beside `target`, which is renamed when it is complete and checked, and removed
    on any failure, KeyboardInterrupt included. `check` gets its path and raises DataFileError if the content is wrong.
    A mirror that sends more than `max_bytes` fails. `progress` shows a line on the standard error if it is a terminal.

    Raises DataFileError if all mirrors failed, at least one with wrong content; ConnectionError if none could be
    reached or all broke off; OSError if the file cannot be written.
    """
    faults: list[str] = []
    kind: type[DataFileError | ConnectionError] = ConnectionError
    for url in urls:
        try:
            with written_whole(target) as file:
                with closing(_chunks(url, max_bytes, progress)) as chunks:
                    file.writelines(chunks)
                file.flush()
                check(Path(file.name))
            return
        except DataFileError as error:
            kind = DataFileError
            faults.append(f"{url}: {error}")
        except _TransferError as error:
            faults.append(f"{url}: {error}")
    raise kind(
        f"{target.name} could not be downloaded from any of {len(urls)} mirrors ({'; '.join(faults)}). "
        f"Check the network connection and try again, or put an intact copy into {target.parent}"
    )


def _chunks(url: str, max_bytes: int, progress: bool) -> Generator[bytes, None, None]:
    """Yield the content of `url`. Errors of the network become a _TransferError."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            received = 0
            layout, name = "{desc}: {n_fmt}B of {total_fmt}B {bar}", url.rpartition("/")[2]
            with LiveLine(progress, layout, name, total, unit_scale=True) as shown:
                while chunk := response.read(_CHUNK):
                    received += len(chunk)
                    if received > max_bytes:
                        raise DataFileError(f"sends more than {max_bytes} bytes, the most that the file may have")
                    shown.advance(len(chunk))
                    yield chunk
    except urllib.error.HTTPError as error:
        error.close()  # it holds the open connection
        raise _TransferError(f"answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _TransferError(f"{type(error).__name__}: {error}") from error
    if total is not None and received != total:
        raise _TransferError(f"broke off after {received} of {total} bytes")
