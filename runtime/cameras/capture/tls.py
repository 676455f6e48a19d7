"""Certificates of cameras, in the capture process: what FFmpeg is told to trust, and why it did not.

FFmpeg takes any certificate unless told otherwise. Told to verify, it checks the chain, the dates and the host's name,
but says only "Input/output error"; the reason is found out here.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from typing import Any
from urllib.parse import urlsplit

from edgeseg.runtime.cameras.capture.stream_fault import StreamFault
from edgeseg.runtime.cameras.capture.tls_trust import Trust

PORTS = {"rtsps": 322, "https": 443}
_NOT_YET, _EXPIRED = 9, 10  # OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED


def tls_options(target: str, trust: Trust) -> dict[str, str]:
    """Give FFmpeg's options for ``target``; none where nothing is encrypted.

    Raises:
        StreamFault: the certificate is not the one that was pinned.
    """
    import ssl

    if not is_encrypted(target):
        return {}
    if trust.insecure:
        return {"tls_verify": "0"}
    if trust.fingerprint:
        return _check_pin(target, trust.fingerprint)
    ca_file = trust.ca_file or ssl.get_default_verify_paths().cafile
    return {"tls_verify": "1", **({"ca_file": ca_file} if ca_file else {})}


def is_encrypted(target: str) -> bool:
    """Tell whether the address's scheme is one that is encrypted."""
    return urlsplit(target).scheme in PORTS


def check_certificate(target: str, trust: Trust) -> None:
    """Say why FFmpeg did not take a certificate, if that was it.

    Raises:
        StreamFault: it is not trusted.
    """
    import ssl

    if not is_encrypted(target) or trust.insecure or trust.fingerprint:
        return
    context = ssl.create_default_context(cafile=trust.ca_file or None)
    host, port = _place(target)
    try:
        with socket.create_connection((host, port), 3) as plain, context.wrap_socket(plain, server_hostname=host):
            return
    except ssl.SSLCertVerificationError as error:
        is_of_time = error.verify_code in (_EXPIRED, _NOT_YET)
        raise StreamFault(
            "certificate date" if is_of_time else "certificate",
            f"its certificate is not trusted: {error.verify_message.rstrip('.')}. If it is the right one, pin it "
            f"with `tls_fingerprint={_fingerprint(_certificate(target))!r}` (compare that with what the camera itself "
            "says), or name who signed it with `tls_ca=FILE`; `tls_insecure=True` takes any",
        ) from None
    except OSError:
        return


def _check_pin(target: str, fingerprint: str) -> dict[str, str]:
    """Trust one certificate and no other: its own name is then the one that is expected."""
    import ssl

    certificate = _certificate(target)
    if (found := _fingerprint(certificate)) != fingerprint:
        raise pin_fault(found)
    path = _url_path(ssl.DER_cert_to_PEM_cert(certificate).encode())
    return {"tls_verify": "1", "ca_file": path, "verifyhost": _name(target, path)}


def pin_fault(found: str) -> StreamFault:
    """Say that another certificate came than the pinned one, by its SHA-256."""
    return StreamFault("certificate", f"its certificate has the SHA-256 {found}, which is not the pinned one")


def _url_path(data: bytes) -> str:
    """A name that FFmpeg can open, of memory where the system has that: a process that is killed removes no file."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("certificate")
        path = f"/proc/self/fd/{handle}"
    else:
        handle, path = tempfile.mkstemp(prefix="edgeseg-", suffix=".pem")
    os.write(handle, data)
    return path


def _name(target: str, ca_file: str) -> str:
    """A name that the certificate holds; where it holds none, the host's."""
    import ssl

    context = ssl.create_default_context(cafile=ca_file)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    place = _place(target)
    try:
        with socket.create_connection(place, 3) as plain, context.wrap_socket(plain) as secured:
            facts: dict[str, Any] = dict(secured.getpeercert() or {})
    except ssl.SSLCertVerificationError as error:
        raise StreamFault("certificate date", f"its certificate is not valid: {error.verify_message}") from None
    except OSError as error:
        raise StreamFault("closed", f"the encrypted connection failed ({type(error).__name__})") from None
    names = [str(value) for _, value in facts.get("subjectAltName", ())]
    names += [str(value) for part in facts.get("subject", ()) for key, value in part if key == "commonName"]
    return names[0].replace("*", "any") if names else place[0]


def _certificate(target: str) -> bytes:
    """What the camera presents, unverified, as DER."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host, port = _place(target)
    try:
        with (
            socket.create_connection((host, port), 3) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return secured.getpeercert(binary_form=True) or b""
    except ConnectionRefusedError:
        raise StreamFault("refused", "the connection was refused") from None
    except TimeoutError:
        raise StreamFault("timeout", "nothing came in time") from None
    except OSError as error:
        raise StreamFault("closed", f"the encrypted connection failed ({type(error).__name__})") from None


def _fingerprint(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()


def _place(target: str) -> tuple[str, int]:
    parts = urlsplit(target)
    return parts.hostname or "", parts.port or PORTS[parts.scheme]
