"""Makes the sample hierarchy with ML-DSA keys, which the `openssl` of Debian 12 cannot.

Usage: mint.py FOLDER ml-dsa-44|ml-dsa-65|ml-dsa-87. The files and their contents are those that
OpenSSL makes for the other kinds of key.
"""

import datetime
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KINDS = {
    "ml-dsa-44": mldsa.MLDSA44PrivateKey,
    "ml-dsa-65": mldsa.MLDSA65PrivateKey,
    "ml-dsa-87": mldsa.MLDSA87PrivateKey,
}
SERVER = "broker-01.example.com"
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
SOON = (NOW - DAY, NOW + 30 * DAY)
LONG_AGO = (
    datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
    datetime.datetime(2021, 1, 1, tzinfo=datetime.timezone.utc),
)


class Party:
    """A name, a key and the certificate for both."""

    def __init__(self, subject, key):
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        self.key = key
        self.certificate = None

    def sign(self, subject, extensions, dates=SOON):
        """A certificate for another party (or for itself) with these extensions."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject.name)
            .issuer_name(self.name)
            .public_key(subject.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(dates[0])
            .not_valid_after(dates[1])
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(subject.key.public_key()), False
            )
        )
        if subject is not self:
            builder = builder.add_extension(self.key_identifier(), False)
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        subject.certificate = builder.sign(self.key, None)
        return subject.certificate

    def revocations(self, *certificates, dates=SOON):
        """The list of its revoked certificates."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(dates[0])
            .next_update(dates[1])
            .add_extension(self.key_identifier(), False)
            .add_extension(x509.CRLNumber(1), False)
        )
        for certificate in certificates:
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(NOW)
                .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), False)
            )
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, None)

    def key_identifier(self):
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())


def usage(*names):
    every = [
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    ]  # fmt: skip
    return x509.KeyUsage(**{name: name in names for name in every})


def authority(path_length):
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (usage("key_cert_sign", "crl_sign"), True),
    ]


def end_entity(purposes, *names):
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage("digital_signature"), True),
        (x509.ExtendedKeyUsage(purposes), False),
        (x509.SubjectAlternativeName(names), False),
    ]


def mint(folder, generate):
    def save(name, signed):
        (folder / name).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return signed

    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    mail = x509.RFC822Name("client@company.com")
    host = x509.DNSName(SERVER)
    leaf = generate()

    root = Party("Sample Root", generate())
    save("root.crt", root.sign(root, authority(None)))
    issuer = Party("Sample Intermediate", generate())
    save("intermediate.crt", root.sign(issuer, authority(0)))
    server = save("server.crt", issuer.sign(Party(SERVER, leaf), end_entity(both, host)))
    client = Party("client@company.com", leaf)
    save("client.crt", issuer.sign(client, end_entity(both[1:], host, mail)))
    code = end_entity([ExtendedKeyUsageOID.CODE_SIGNING], host, mail)
    save("code.crt", issuer.sign(Party("Code Signer", leaf), code))
    save("expired.crt", issuer.sign(Party(SERVER, leaf), end_entity(both, host), LONG_AGO))
    save("nested.crt", client.sign(Party(SERVER, leaf), end_entity(both, host)))
    impostor = Party("Sample Intermediate", generate())
    save("impostor.crt", impostor.sign(Party(SERVER, leaf), end_entity(both, host)))

    save("root.crl", root.revocations())
    save("root-revoking.crl", root.revocations(issuer.certificate))
    save("intermediate.crl", issuer.revocations())
    save("revoking.crl", issuer.revocations(server))
    save("stale.crl", issuer.revocations(dates=LONG_AGO))
    save("forged.crl", impostor.revocations())


if __name__ == "__main__":
    mint(pathlib.Path(sys.argv[1]), KINDS[sys.argv[2]].generate)
