-- Version 1.
--
-- Keys that append: rows of certificates and audit records are numbered in the order in which they
-- became durable, so that the trees of a large store are written at their right edge. Only three
-- indexes have random keys: a certificate's serial number, its principal, and the holder of its key.

CREATE TABLE store (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    created_at  INTEGER NOT NULL,
    -- 0 until the first CA key stands; one more for each passphrase since.
    key_epoch   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE authority (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    -- NULL once abandoned: the id of a CA that never was is free again.
    id           TEXT UNIQUE,
    -- 'prod_ca' and 2 of 'prod_ca_2'; NULL when the caller chose the id.
    prefix       TEXT,
    ordinal      INTEGER,
    -- NULL for a root.
    parent       INTEGER REFERENCES authority (number),
    state        TEXT NOT NULL CHECK (state IN ('pending', 'active', 'retired', 'abandoned')),
    common_name  TEXT NOT NULL,
    -- SHA-256 of its SubjectPublicKeyInfo.
    key_hash     BLOB NOT NULL UNIQUE,
    -- Its present certificate; NULL until one is complete.
    certificate  INTEGER,
    profile      TEXT NOT NULL,
    base_url     TEXT,
    trust_domain TEXT,
    crl_days     INTEGER NOT NULL,
    -- The last CRL number given out: durable before the CRL is signed.
    crl_number   INTEGER NOT NULL DEFAULT 0,
    -- One more for each change of what its next CRL says.
    revision     INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL
) STRICT;

-- Encrypted PKCS#8. Apart from the CA's row, which is read often and rewritten at each CRL.
CREATE TABLE authority_key (
    authority  INTEGER PRIMARY KEY REFERENCES authority (number),
    encrypted  BLOB NOT NULL
) STRICT;

-- The newest CRL of each CA.
CREATE TABLE crl (
    authority    INTEGER PRIMARY KEY REFERENCES authority (number),
    number       INTEGER NOT NULL,
    -- What authority.revision was when its entries were read.
    revision     INTEGER NOT NULL,
    this_update  INTEGER NOT NULL,
    next_update  INTEGER NOT NULL,
    entries      INTEGER NOT NULL,
    der          BLOB NOT NULL
) STRICT;

-- Serial numbers given out whose certificate is not complete. A row goes when it is, and stays when
-- its process died first.
CREATE TABLE reservation (
    number             INTEGER PRIMARY KEY AUTOINCREMENT,
    serial             BLOB NOT NULL UNIQUE,
    instance           TEXT NOT NULL,
    authority          INTEGER NOT NULL REFERENCES authority (number),
    subject_authority  INTEGER REFERENCES authority (number),
    role               INTEGER NOT NULL,
    principal          TEXT NOT NULL,
    profile            TEXT NOT NULL,
    not_after          INTEGER NOT NULL,
    -- SHA-256 of the to-be-signed bytes.
    digest             BLOB NOT NULL,
    renews             INTEGER,
    reserved_at        INTEGER NOT NULL,
    abandoned_at       INTEGER
) STRICT;
CREATE INDEX reservation_live ON reservation (instance) WHERE abandoned_at IS NULL;

CREATE TABLE certificate (
    number             INTEGER PRIMARY KEY,
    serial             BLOB NOT NULL UNIQUE,
    -- Who issued it; the CA itself for a root.
    authority          INTEGER NOT NULL REFERENCES authority (number),
    -- The CA whose certificate it is; NULL for an end entity.
    subject_authority  INTEGER REFERENCES authority (number),
    role               INTEGER NOT NULL,
    principal          TEXT NOT NULL,
    profile            TEXT NOT NULL,
    not_before         INTEGER NOT NULL,
    not_after          INTEGER NOT NULL,
    issued_at          INTEGER NOT NULL,
    renews             INTEGER,
    der                BLOB NOT NULL
) STRICT;
CREATE INDEX certificate_principal ON certificate (principal);
CREATE INDEX certificate_not_after ON certificate (not_after);
CREATE INDEX certificate_authority ON certificate (authority, role);
CREATE INDEX certificate_subject ON certificate (subject_authority)
    WHERE subject_authority IS NOT NULL;

CREATE TRIGGER certificate_stays BEFORE DELETE ON certificate
BEGIN SELECT RAISE(ABORT, 'a certificate that was signed stays known'); END;
CREATE TRIGGER certificate_is BEFORE UPDATE ON certificate
BEGIN SELECT RAISE(ABORT, 'a certificate does not change'); END;

-- Certificates revoked or on hold, and serial numbers abandoned (certificate NULL).
CREATE TABLE revocation (
    number           INTEGER PRIMARY KEY,
    certificate      INTEGER UNIQUE REFERENCES certificate (number),
    authority        INTEGER NOT NULL REFERENCES authority (number),
    serial           BLOB NOT NULL,
    revoked_at       INTEGER NOT NULL,
    -- The code of RFC 5280 5.3.1; NULL where none is stated.
    reason           INTEGER,
    invalidity_date  INTEGER,
    not_after        INTEGER NOT NULL,
    -- 1 once a CRL of after its notAfter carried it.
    off_crl          INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX revocation_on_crl ON revocation (authority) WHERE off_crl = 0;

-- Rotated certificates that are to be revoked as superseded when the overlap ends.
CREATE TABLE supersession (
    certificate  INTEGER PRIMARY KEY REFERENCES certificate (number),
    due_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX supersession_due ON supersession (due_at);

-- A public key has one holder for good, and is lost for good when it was compromised.
CREATE TABLE key_holder (
    key_hash        BLOB PRIMARY KEY,
    principal       TEXT NOT NULL,
    compromised_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    actor        TEXT NOT NULL,
    -- Who issues; 0 for a new root.
    authority    INTEGER NOT NULL,
    job          TEXT NOT NULL,
    key          TEXT NOT NULL,
    digest       BLOB NOT NULL,
    reservation  INTEGER NOT NULL,
    certificate  INTEGER,
    PRIMARY KEY (actor, authority, job, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_open ON idempotency (reservation) WHERE certificate IS NULL;

-- Certificates neither revoked nor on hold, by the UTC day of their notAfter: what the tree shows is
-- a sum over days, however many certificates there are.
CREATE TABLE live_count (
    authority  INTEGER NOT NULL,
    role       INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    PRIMARY KEY (authority, role, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE revoked_count (
    authority  INTEGER NOT NULL,
    role       INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    PRIMARY KEY (authority, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    number     INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    -- The latest time of this record and all before it.
    latest     INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    ca         TEXT,
    serial     TEXT,
    principal  TEXT,
    detail     TEXT NOT NULL,
    -- The hash of the record before it, and SHA-256 over that and the fields above.
    previous   BLOB NOT NULL,
    hash       BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_is BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END;
