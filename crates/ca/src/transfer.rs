//! What leaves as an archive or a stream: never a private key.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use rusqlite::Connection;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::time::UnixTime;
use serde::Serialize;

use crate::authority::{Authority, prepare};
use crate::outcome::ExportSummary;
use crate::profiles::Profiles;
use crate::store::{Fault, Selection, audit, authorities, certificates, crls};
use crate::{Error, describe};

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
    ) -> Result<u64, Error> {
        self.store
            .read(move |connection| {
                let mut count = 0;
                audit::visit(connection, 0, |record| {
                    count += 1;
                    write_line(&mut output, &record).map_err(archive)
                })?;
                output.flush().map_err(archive)?;
                Ok(count)
            })
            .await
    }
}

fn archive(error: io::Error) -> Fault {
    Error::Archive(error).into()
}

fn write_line(output: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")
}

/// A tar.gz that is written file by file, and counted.
struct Archive {
    tar: tar::Builder<GzEncoder<Box<dyn Write + Send>>>,
    files: Vec<ManifestFile>,
    modified: u64,
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
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(self.modified);
        self.tar.append_data(&mut header, path, contents)
    }

    fn finish(mut self, now: UnixTime) -> io::Result<u64> {
        let manifest = Manifest {
            format: "rustmq-pki export 1",
            created_at: now.to_string(),
            files: &self.files,
        };
        let mut text = serde_json::to_vec_pretty(&manifest)?;
        text.push(b'\n');
        self.append(MANIFEST, &text)?;
        self.tar.into_inner()?.finish()?.flush()?;
        Ok(self.files.len() as u64)
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
    summary.files = archived.finish(now).map_err(archive)?;
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
    let mut index = Vec::new();
    certificates::visit(connection, &Selection::default(), |row| {
        let info = describe::certificate(&row, now);
        let pem = row.certificate.to_pem();
        archived.add(format!("certificates/{}.pem", info.id), pem.as_bytes()).map_err(archive)?;
        summary.certificates += 1;
        write_line(&mut index, &info).map_err(archive)
    })?;
    if index.is_empty() {
        return Ok(());
    }
    archived.add("certificates.ndjson".to_owned(), &index).map_err(archive)
}

fn add_audit(
    connection: &Connection,
    archived: &mut Archive,
    summary: &mut ExportSummary,
) -> Result<(), Fault> {
    let mut lines = Vec::new();
    audit::visit(connection, 0, |record| {
        summary.audit_records += 1;
        write_line(&mut lines, &record).map_err(archive)
    })?;
    if lines.is_empty() {
        return Ok(());
    }
    archived.add("audit.ndjson".to_owned(), &lines).map_err(archive)
}
