"""Which certificate of a camera is taken, for ``rtsps://`` and ``https://``, as the flags say it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from edgeseg.errors import UserError


@dataclass(frozen=True)
class Trust:
    """What is trusted.

    Attributes:
        ca_file: PEM file with the certificates that may sign, in place of the system's.
        fingerprint: SHA-256 of the only certificate that is taken, 64 hexadecimal digits.
        insecure: take any certificate.
    """

    ca_file: str = ""
    fingerprint: str = ""
    insecure: bool = False

    @classmethod
    def given(cls, ca_file: str | None, fingerprint: str | None, insecure: bool) -> Trust:
        """Build it from settings.

        Raises:
            UserError: they contradict each other, or one is no file or fingerprint.
        """
        if sum(map(bool, (ca_file, fingerprint, insecure))) > 1:
            raise UserError("`tls_ca`, `tls_fingerprint` and `tls_insecure` exclude each other: give one of them.")
        digits = (fingerprint or "").replace(":", "").replace(" ", "").lower()
        if digits and (len(digits) != 64 or set(digits) - set("0123456789abcdef")):
            raise UserError(
                "`tls_fingerprint` takes a SHA-256, 64 hexadecimal digits with or without colons, as "
                "`openssl x509 -in FILE -noout -fingerprint -sha256` prints it."
            )
        if ca_file:
            import ssl

            try:
                ssl.create_default_context(cafile=ca_file)
            except (OSError, ValueError) as error:
                raise UserError(f"`tls_ca` takes a PEM file with certificates; {ca_file}: {error}.") from None
        return cls(os.path.abspath(ca_file) if ca_file else "", digits, insecure)


SYSTEM = Trust()
"""Whom the system trusts."""
