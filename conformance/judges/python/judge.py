"""Asks Python's `cryptography` what it thinks of a chain.

Flags: --root F, --leaf F, --issuer F (any number, the leaf's first), --crl F (any number),
--purpose server|client, --host NAME; --next begins another chain. Prints OK, or REFUSED: and the reason, on
a line for each chain, and exits 0 either way; another exit code means that no verdict was reached.

The library's path builder is made for the web and refuses Ed25519, which the web does not use. A chain
with such a key is walked here instead, with the library's parser and signature checks: names, signatures,
dates, basic constraints, key usage, purposes and host names. Revocation lists, which the builder does not
know, are checked here for every chain.
"""

import argparse
import datetime
import itertools
import sys

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

PURPOSES = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
}


class Refused(Exception):
    """The verdict, with its reason."""


def certificate(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


def revocation_list(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_crl(file.read())


def extension(cert, kind):
    """The value of an extension, or None. Parses every other one on the way."""
    try:
        return cert.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def build_path(args, leaf, issuers, root):
    """The library's own path builder; returns the chain from the leaf to the root."""
    builder = verification.PolicyBuilder().store(verification.Store([root]))
    try:
        if args.purpose == "server":
            verifier = builder.build_server_verifier(x509.DNSName(args.host))
            return verifier.verify(leaf, issuers)
        return client_rules(builder).build_client_verifier().verify(leaf, issuers).chain
    except verification.VerificationError as error:
        raise Refused(str(error)) from error


def client_rules(builder):
    """The library's rules with one relaxed: RFC 5280 4.1.2.6 lets a subject stand for itself, and the
    name of a client that is neither a host nor a mailbox is its common name alone."""
    authorities = verification.ExtensionPolicy.webpki_defaults_ca()
    clients = verification.ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None
    )
    return builder.extension_policies(ca_policy=authorities, ee_policy=clients)


def walk(args, leaf, issuers, root, now):
    """The chain as given, checked link by link with the library's signature checks."""
    chain = [leaf, *issuers, root]
    for depth, subject in enumerate(chain):
        check_dates(subject, now)
        issuer = chain[min(depth + 1, len(chain) - 1)]
        try:
            subject.verify_directly_issued_by(issuer)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise Refused(f"{subject.subject}: not issued by {issuer.subject}: {error!r}") from error
        if depth > 0:
            check_authority(subject, depth)
    check_leaf(args, leaf)
    return chain


def check_dates(cert, now):
    if not cert.not_valid_before_utc <= now <= cert.not_valid_after_utc:
        raise Refused(f"{cert.subject}: not valid now")


def check_authority(cert, depth):
    constraints = extension(cert, x509.BasicConstraints)
    usage = extension(cert, x509.KeyUsage)
    if constraints is None or not constraints.ca or usage is None or not usage.key_cert_sign:
        raise Refused(f"{cert.subject}: may not sign certificates")
    if constraints.path_length is not None and constraints.path_length < depth - 1:
        raise Refused(f"{cert.subject}: path length exceeded")


def check_leaf(args, leaf):
    uses = extension(leaf, x509.ExtendedKeyUsage)
    if uses is None or PURPOSES[args.purpose] not in uses:
        raise Refused(f"{leaf.subject}: not for a {args.purpose}")
    names = extension(leaf, x509.SubjectAlternativeName)
    if args.host and (names is None or args.host not in names.get_values_for_type(x509.DNSName)):
        raise Refused(f"{leaf.subject}: not called {args.host}")


def check_revocation(chain, lists, now):
    for subject, issuer in zip(chain, chain[1:]):
        mine = [crl for crl in lists if crl.issuer == issuer.subject]
        if not mine or not mine[0].is_signature_valid(issuer.public_key()):
            raise Refused(f"{subject.subject}: no valid revocation list of its issuer")
        if not mine[0].last_update_utc <= now <= mine[0].next_update_utc:
            raise Refused(f"{subject.subject}: the revocation list is not current")
        if mine[0].get_revoked_certificate_by_serial_number(subject.serial_number) is not None:
            raise Refused(f"{subject.subject}: revoked")


def judge(args):
    now = datetime.datetime.now(datetime.timezone.utc)
    leaf, root = certificate(args.leaf), certificate(args.root)
    issuers = [certificate(path) for path in args.issuer]
    if any(isinstance(cert.public_key(), ed25519.Ed25519PublicKey) for cert in [leaf, *issuers, root]):
        chain = walk(args, leaf, issuers, root, now)
    else:
        chain = build_path(args, leaf, issuers, root)
    if args.crl:
        check_revocation(chain, [revocation_list(path) for path in args.crl], now)


def verdict(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--leaf", required=True)
    parser.add_argument("--issuer", action="append", default=[])
    parser.add_argument("--crl", action="append", default=[])
    parser.add_argument("--purpose", choices=sorted(PURPOSES), required=True)
    parser.add_argument("--host")
    try:
        judge(parser.parse_args(words))
    except Refused as refusal:
        return "REFUSED: " + str(refusal).replace("\n", " ")
    return "OK"


if __name__ == "__main__":
    for separates, group in itertools.groupby(sys.argv[1:], lambda word: word == "--next"):
        if not separates:
            print(verdict(list(group)))
