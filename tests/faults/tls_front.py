"""Encryption in front of a plain server on loopback, and certificates that are right or wrong in one way each."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path

_BYTES = 1 << 16


class Certificates:
    """An authority, and what it signed or did not; made with the ``openssl`` command.

    Args:
        folder: where the files go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._openssl(
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj", "/CN=test authority"
        )

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def signed(self, name: str, holder: str, days: int = 30) -> Path:
        """A certificate of the authority for ``holder``, as in ``IP:127.0.0.1``."""
        self._openssl(f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj", f"/CN={name}")
        (self.folder / "names").write_text(f"subjectAltName={holder}\n")
        signing = "-CA ca.pem -CAkey ca.key -CAcreateserial -extfile names"
        self._openssl(f"x509 -req -in {name}.csr -out {name}.pem -days {days} {signing}")
        return self.folder / f"{name}.pem"

    def of_its_own(self, name: str, subject: str = "/CN=camera.lan") -> Path:
        """One that signs itself, for another name than it is reached by, as cameras come from the shop."""
        self._openssl(f"req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 30 -subj", subject)
        return self.folder / f"{name}.pem"

    def _openssl(self, words: str, *more: str) -> None:
        subprocess.run(["openssl", *words.split(), *more], cwd=self.folder, check=True, capture_output=True, timeout=60)


class TlsFront:
    """Listens on loopback, speaks TLS with ``certificate``, and passes everything on to ``port`` in the clear."""

    def __init__(self, certificate: Path, port: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self._behind = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.handshakes = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> TlsFront:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(client, server_side=True) as secured:
            self.handshakes += 1
            with socket.create_connection(("127.0.0.1", self._behind)) as behind:
                threading.Thread(target=_copy, args=(secured, behind), daemon=True).start()
                _copy(behind, secured)


def fingerprint(certificate: Path) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_BYTES):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
