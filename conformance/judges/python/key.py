"""Says whether a private key is the one that a certificate is for.

Usage: key.py KEY CERTIFICATE, both PEM. Prints FITS or DIFFERS.
"""

import sys

from cryptography import x509
from cryptography.hazmat.primitives import serialization

with open(sys.argv[1], "rb") as file:
    key = serialization.load_pem_private_key(file.read(), password=None)
with open(sys.argv[2], "rb") as file:
    certificate = x509.load_pem_x509_certificate(file.read())
print("FITS" if key.public_key() == certificate.public_key() else "DIFFERS")
