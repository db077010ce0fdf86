//! What leaves as an archive or a stream: never a private key.

use std::cell::Cell;
use std::io::{self, BufWriter, Write};

use aws_lc_rs::digest::{Context, SHA256};
use flate2::Compression;
use flate2::write::GzEncoder;
use rusqlite::Connection;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::time::UnixTime;
use serde::Serialize;

use crate::authority::{Authority, prepare};
use crate::outcome::{AuditExport, ExportSummary};
use crate::profiles::Profiles;
use crate::store::{Fault, Selection, audit, authorities, certificates, crls};
use crate::{Error, describe};

/// The unit of a tar, in octets.
const BLOCK: usize = 512;

/// The last file of the archive: what the others are.
const MANIFEST: &str = "manifest.json";

#[derive(Serialize)]
struct Manifest<'a> {
    format: &'static str,
    created_at: String,
    files: &'a [ManifestFile],
}

#[derive(Serialize)]
struct ManifestFile {
    path: String,
    size: u64,
    sha256: String,
}

impl Authority {
    pub(crate) async fn export_all(
        &self,
        output: Box<dyn Write + Send>,
    ) -> Result<ExportSummary, Error> {
        let (now, profiles) = (self.now(), self.profiles.clone());
        self.store.read(move |connection| export(connection, &profiles, output, now)).await
    }

    pub(crate) async fn audit_export(
        &self,
        mut output: Box<dyn Write + Send>,
    ) -> Result<AuditExport, Error> {
        self.store
            .read(move |connection| {
                let exported = write_audit(connection, &mut output)?;
                output.flush().map_err(archive)?;
                Ok(exported)
            })
            .await
    }
}

fn archive(error: io::Error) -> Fault {
    Error::Archive(error).into()
}

fn write_audit(connection: &Connection, output: &mut dyn Write) -> Result<AuditExport, Fault> {
    let (mut exported, mut last) = (AuditExport::default(), 0);
    audit::visit(connection, 0, |record| {
        exported = exported.add(record.number, last);
        last = record.number;
        write_line(output, &record).map_err(archive)
    })?;
    Ok(exported)
}

fn write_line(mut output: &mut (impl Write + ?Sized), value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut output, value)?;
    output.write_all(b"\n")
}

/// A tar.gz that is written file by file, and counted.
struct Archive {
    tar: tar::Builder<GzEncoder<Box<dyn Write + Send>>>,
    files: Vec<ManifestFile>,
    modified: u64,
}

/// What is written to it is counted and digested, and kept by nobody.
struct Measure {
    size: u64,
    digest: Context,
}

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size += bytes.len() as u64;
        self.digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Archive {
    fn new(output: Box<dyn Write + Send>, now: UnixTime) -> Self {
        let gzip = GzEncoder::new(output, Compression::default());
        let modified = u64::try_from(now.seconds()).unwrap_or(0);
        Self { tar: tar::Builder::new(gzip), files: Vec::new(), modified }
    }

    fn add(&mut self, path: String, contents: &[u8]) -> io::Result<()> {
        self.append(&path, contents)?;
        let (size, sha256) = (contents.len() as u64, Fingerprint::of(contents).to_string());
        self.files.push(ManifestFile { path, size, sha256 });
        Ok(())
    }

    fn append(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        self.tar.append_data(&mut self.header(contents.len() as u64), path, contents)
    }

    fn header(&self, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(self.modified);
        header
    }

    /// Adds a file that is too large to be held. A tar has a file's size before its content, so `contents`
    /// writes it twice: to be measured, and into the archive. Nothing is added of an empty one.
    fn add_twice(
        &mut self,
        path: &str,
        contents: impl Fn(&mut dyn Write) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut measure = Measure { size: 0, digest: Context::new(&SHA256) };
        contents(&mut measure)?;
        let Measure { size, digest } = measure;
        if size == 0 {
            return Ok(());
        }
        self.append_written(path, size, &contents)?;
        let sha256 = rustmq_pki::hex::encode(digest.finish().as_ref());
        self.files.push(ManifestFile { path: path.to_owned(), size, sha256 });
        Ok(())
    }

    fn append_written(
        &mut self,
        path: &str,
        size: u64,
        contents: impl Fn(&mut dyn Write) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut header = self.header(size);
        header.set_path(path).map_err(archive)?;
        header.set_cksum();
        let mut output = BufWriter::new(self.tar.get_mut());
        output.write_all(header.as_bytes()).map_err(archive)?;
        contents(&mut output)?;
        let padding = usize::try_from(size.wrapping_neg() % BLOCK as u64).unwrap_or(0);
        output.write_all(&[0; BLOCK][..padding]).map_err(archive)?;
        output.flush().map_err(archive)
    }

    fn finish(mut self, now: UnixTime) -> Result<u64, Fault> {
        let files = std::mem::take(&mut self.files);
        let created_at = now.to_string();
        let manifest = Manifest { format: "rustmq-pki export 1", created_at, files: &files };
        let mut measure = Measure { size: 0, digest: Context::new(&SHA256) };
        let write = |output: &mut dyn Write| -> Result<(), Fault> {
            let written = serde_json::to_writer_pretty(&mut *output, &manifest);
            written.map_err(|error| archive(error.into()))?;
            output.write_all(b"\n").map_err(archive)
        };
        write(&mut measure)?;
        self.append_written(MANIFEST, measure.size, write)?;
        let ended = self.tar.into_inner().and_then(GzEncoder::finish);
        ended.and_then(|mut output| output.flush()).map_err(archive)?;
        Ok(files.len() as u64)
    }
}

fn export(
    connection: &Connection,
    profiles: &Profiles,
    output: Box<dyn Write + Send>,
    now: UnixTime,
) -> Result<ExportSummary, Fault> {
    let mut archived = Archive::new(output, now);
    let mut summary = ExportSummary::default();
    add_certificates(connection, &mut archived, &mut summary, now)?;
    // An authority that never was has nothing to be read back with.
    if summary.certificates > 0 {
        for name in profiles.names()? {
            let text = profiles.find(&name)?.to_toml();
            archived.add(format!("profiles/{name}.toml"), text.as_bytes()).map_err(archive)?;
        }
    }
    add_audit(connection, &mut archived, &mut summary)?;
    summary.files = archived.finish(now)?;
    Ok(summary)
}

fn add_certificates(
    connection: &Connection,
    archived: &mut Archive,
    summary: &mut ExportSummary,
    now: UnixTime,
) -> Result<(), Fault> {
    for ca in authorities::all(connection)? {
        let id = ca.id.clone();
        if let Some(stored) = crls::stored(connection, ca.number)? {
            archived
                .add(format!("crls/{id}.pem"), stored.crl.to_pem().as_bytes())
                .map_err(archive)?;
            summary.crls += 1;
        }
        let chain: String =
            prepare(connection, ca)?.chain.iter().map(|link| link.to_pem()).collect();
        archived.add(format!("chains/{id}.pem"), chain.as_bytes()).map_err(archive)?;
    }
    certificates::visit(connection, &Selection::default(), |row| {
        let path = format!("certificates/{}.pem", describe::certificate_id(row.number));
        archived.add(path, row.certificate.to_pem().as_bytes()).map_err(archive)?;
        summary.certificates += 1;
        Ok(())
    })?;
    archived.add_twice("certificates.ndjson", |output| {
        certificates::visit(connection, &Selection::default(), |row| {
            write_line(output, &describe::certificate(&row, now)).map_err(archive)
        })
    })
}

fn add_audit(
    connection: &Connection,
    archived: &mut Archive,
    summary: &mut ExportSummary,
) -> Result<(), Fault> {
    let exported = Cell::new(AuditExport::default());
    archived.add_twice("audit.ndjson", |output| {
        exported.set(write_audit(connection, output)?);
        Ok(())
    })?;
    summary.audit_records = exported.get().records;
    summary.audit_lines = exported.get().lines;
    Ok(())
}
