-- Version 2.
--
-- No index has random keys any more but that of serial numbers, and the numbers of a slice share a
-- prefix. Keys and principals are found by hashes that are sorted and merged in bulk (lookup.rs).

DROP INDEX certificate_principal;

-- SHA-256 of the SubjectPublicKeyInfo; NULL for a CA's certificate.
ALTER TABLE reservation ADD COLUMN key_hash BLOB;

-- Keys that no certificate in the store speaks for: compromised ones, and those whose certificate may
-- have been signed but was never complete.
CREATE TABLE key_mark (
    key_hash        BLOB PRIMARY KEY,
    principal       TEXT NOT NULL,
    compromised_at  INTEGER
) STRICT, WITHOUT ROWID;

-- Hashes of keys (kind 0) and of principals (kind 1) of the newest certificates, as they came.
CREATE TABLE lookup_recent (
    kind    INTEGER NOT NULL,
    hash    INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (kind, hash, number)
) STRICT, WITHOUT ROWID;

-- Sorted runs of all others. A run is written once, and goes when it is merged into a larger one.
CREATE TABLE lookup_run (
    run      INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 0 as it came, 1 merged from those, 2 the main one.
    level    INTEGER NOT NULL,
    -- Of each kind.
    entries  INTEGER NOT NULL,
    -- The highest certificate number in it.
    newest   INTEGER NOT NULL
) STRICT;
CREATE TABLE lookup_chunk (
    number   INTEGER PRIMARY KEY,
    run      INTEGER NOT NULL REFERENCES lookup_run (run),
    kind     INTEGER NOT NULL,
    -- The first hash in it, as a signed integer of the same order.
    first    INTEGER NOT NULL,
    -- 14 octets each: hash and certificate number, big-endian, ascending.
    entries  BLOB NOT NULL
) STRICT;
CREATE INDEX lookup_chunk_place ON lookup_chunk (run, kind, first);

-- Certificates that are reserved, signed and completed together.
CREATE TABLE slice (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    instance      TEXT NOT NULL,
    authority     INTEGER NOT NULL REFERENCES authority (number),
    actor         TEXT NOT NULL,
    job           TEXT NOT NULL,
    -- Which slice of the job.
    ordinal       INTEGER NOT NULL,
    -- SHA-256 of all that is asked for in it.
    request       BLOB NOT NULL,
    -- What the caller calls its rows: first number and count, 8 octets each, for each run of numbers.
    row_numbers   BLOB NOT NULL,
    -- The octets that its serial numbers start with.
    prefix        BLOB NOT NULL UNIQUE,
    count         INTEGER NOT NULL,
    reserved_at   INTEGER NOT NULL,
    abandoned_at  INTEGER,
    -- The number of its first certificate once they are complete; the others follow it.
    first         INTEGER
) STRICT;
CREATE UNIQUE INDEX slice_job ON slice (actor, authority, job, ordinal) WHERE abandoned_at IS NULL;
CREATE INDEX slice_live ON slice (instance) WHERE abandoned_at IS NULL AND first IS NULL;
CREATE INDEX slice_first ON slice (first) WHERE first IS NOT NULL;

-- What was reserved for each row of a slice; gone once its certificates stand for themselves.
CREATE TABLE slice_rows (
    slice  INTEGER PRIMARY KEY REFERENCES slice (number),
    rows   BLOB NOT NULL
) STRICT;

-- Certificates that were revoked together: their numbers, 8 octets each.
CREATE TABLE revoked_slice (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    certificates  BLOB NOT NULL
) STRICT;

-- The slice that a record speaks of, by number: of `slice`, or of `revoked_slice` for a revocation.
ALTER TABLE audit ADD COLUMN slice INTEGER;
