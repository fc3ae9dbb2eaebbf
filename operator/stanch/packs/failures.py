"""Translates, once, what the operating system and obstore raise into the engine's errors."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError, UnauthenticatedError

from stanch.engine.errors import Failure, NotFound, Refused, Retryable

FULL = "StoreFull"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
# What an S3 server says in its answer: `<Code>NoSuchBucket</Code><Message>…</Message>`. Names in it are escaped: no key is a code.
_ANSWER = re.compile(r"<Code>(\w{1,80})</Code>\s*(?:<Message>([^<]{0,300})</Message>)?", re.ASCII)
_STATUS_FULL = "status code: 507"
# Of a put obstore says so itself, of a list it does not.
_STATUS_FORBIDDEN = re.compile(r"status code: 40[13]\b", re.ASCII)
_CODES_FULL = {"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
# How long it took is another each time, and what is told on an Incident is written when it changes.
_TOOK = re.compile(r" in [\d.]+\w{0,2}s\b")
# Why there is no answer stands only in what obstore tells for debugging.
_NO_ANSWER = re.compile(r"InvalidCertificate\(\s*(\w+)|message: \"([^\"]{1,100})\"", re.ASCII)
_BAD_PATH = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL}


@contextmanager
def translated(path: str, *, writes: bool = False) -> Iterator[None]:
    """Raises `Retryable` with reason StoreFull, StoreForbidden or StoreFailed, `NotFound`, or `Refused` (BadPath).

    A store that forbids is worth another try: it is the operator's own, a person mends it, and the incident goes on. So is a
    bucket that is not there: what is in it is unknown, not absent. `writes`: what else should not be found?
    """
    try:
        yield
    except FileNotFoundError as error:
        if writes or _code(error) == "NoSuchBucket":
            raise _no_store(path, error) from error
        raise NotFound("NotFound", f"{path}: is not in the store") from error
    except OSError as error:
        raise _of_system(path, error) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise _forbidden(path, error) from error
    except InvalidPathError as error:
        raise Refused("BadPath", f"{path}: {_first_line(error)}") from error
    except BaseError as error:
        raise _of_store(path, error) from error


def _of_store(path: str, error: BaseError) -> Failure:
    if _code(error) in _CODES_FULL or _STATUS_FULL in str(error):
        return _full(path, _said(error))
    if _STATUS_FORBIDDEN.search(str(error)):
        return _forbidden(path, error)
    if _code(error) == "NoSuchBucket":
        return _no_store(path, error)
    return Retryable("StoreFailed", f"{path}: {_said(error)}", after=5)


def _no_store(path: str, error: Exception) -> Failure:
    message = f"{path}: {_said(error)}; make the bucket or folder, or name the right one with --packs, stanch tries again"
    return Retryable("StoreFailed", message, after=15)


def _full(path: str, why: str) -> Failure:
    return Retryable(FULL, f"{path}: {why}; free space in the evidence store or grow it, stanch tries again", after=15)


def _of_system(path: str, error: OSError) -> Failure:
    if error.errno in _FULL:
        return _full(path, str(error.strerror))
    if error.errno in _FORBIDDEN:
        return _forbidden(path, error)
    if error.errno in _BAD_PATH:
        return Refused("BadPath", f"{path}: {error.strerror}; a file stands where a folder is needed, or the name does not fit")
    return Retryable("StoreFailed", f"{path}: {_first_line(error)}", after=5)


def _forbidden(path: str, error: Exception) -> Failure:
    message = f"{path}: {_said(error)}; let stanch's identity write to the evidence store, it tries again"
    return Retryable("StoreForbidden", message, after=30)


def _code(error: Exception) -> str:
    found = _ANSWER.search(str(error))
    return found[1] if found else ""


def _said(error: Exception) -> str:
    """What a person needs of it: the store's own words, else why there was no answer, else the first line."""
    if found := _ANSWER.search(str(error)):
        return f"the store says {found[1]}: {unescape(found[2] or '')}"
    if why := _NO_ANSWER.search(str(error)):
        return f"the store does not answer: {why[1] or why[2]}"
    return _TOOK.sub("", _first_line(error))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
