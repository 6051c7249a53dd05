"""Certificates and keys, made for a test by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Person:
    """A self-signed certificate for 127.0.0.1 and its key."""

    def __init__(self, directory: Path, name: str) -> None:
        self.certificate, self.key = directory / f"{name}.pem", directory / f"{name}.key"
        request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        subject = f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1"
        files = f"-keyout {self.key} -out {self.certificate}"
        command = f"{request} {subject} {files}".split()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
