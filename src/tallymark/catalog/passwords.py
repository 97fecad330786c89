"""How passwords are judged, kept and compared."""

from functools import cache

from tallymark.core.errors import Refused

LEAST_LENGTH = 12
_MOST_BYTES = 1024


def checked(password: str, email: str) -> str:
    """Return a password that may be used; raises Refused PASSWORD_WEAK that says what is wrong."""
    if len(password) < LEAST_LENGTH:
        raise _weak(f"A password has at least {LEAST_LENGTH} characters.")
    if len(password.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        raise _weak(f"A password has at most {_MOST_BYTES} bytes.")
    if len(set(password.lower())) < LEAST_LENGTH // 2 or password.lower() == email.strip().lower():
        raise _weak("This password is guessed too easily.")
    return password


def hashed(password: str) -> str:
    """Return what is kept of a password; takes about 50 ms and 64 MiB."""
    # Imported where it is needed: most starts and commands hash nothing.
    from argon2 import PasswordHasher  # noqa: PLC0415

    # What it does if not told otherwise is the second choice of RFC 9106: three passes over 64 MiB.
    return PasswordHasher().hash(password)


def is_right(password: str, kept: str | None) -> bool:
    """Whether a password is the one kept; takes as long where none is."""
    from argon2 import PasswordHasher  # noqa: PLC0415
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415

    if len(password) > _MOST_BYTES:
        return False
    try:
        PasswordHasher().verify(kept or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


@cache
def _nobody() -> str:
    """Return what is compared with where there is no user."""
    return hashed("nobody has this password")


def _weak(message: str) -> Refused:
    return Refused(message, code="PASSWORD_WEAK", path="password")
