"""Translates, once, what the operating system and obstore raise into the engine's errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError, UnauthenticatedError

from stanch.engine.errors import Failure, NotFound, Refused, Retryable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_BAD_PATH = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL}


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Raises `Retryable` with reason StoreFull, StoreForbidden or StoreFailed, `NotFound`, or `Refused` (BadPath).

    A store that forbids is worth another try: it is the operator's own, a person mends it, and the incident goes on.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("NotFound", f"{path}: is not in the store") from error
    except OSError as error:
        raise _of_system(path, error) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise _forbidden(path, error) from error
    except InvalidPathError as error:
        raise Refused("BadPath", f"{path}: {_first_line(error)}") from error
    except BaseError as error:
        raise Retryable("StoreFailed", f"{path}: {_first_line(error)}", after=5) from error


def _of_system(path: str, error: OSError) -> Failure:
    if error.errno in _FULL:
        message = f"{path}: {error.strerror}; free space in the evidence store or grow it, stanch tries again"
        return Retryable("StoreFull", message, after=15)
    if error.errno in _FORBIDDEN:
        return _forbidden(path, error)
    if error.errno in _BAD_PATH:
        return Refused("BadPath", f"{path}: {error.strerror}; a file stands where a folder is needed, or the name does not fit")
    return Retryable("StoreFailed", f"{path}: {_first_line(error)}", after=5)


def _forbidden(path: str, error: Exception) -> Failure:
    message = f"{path}: {_first_line(error)}; let stanch's identity write to the evidence store, it tries again"
    return Retryable("StoreForbidden", message, after=30)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
