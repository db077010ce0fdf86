//! The `csr` column: a PKCS#10 request in the cell, or the path of its file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use rustix::fs::OFlags;
use rustmq_pki::oid;
use rustmq_pki::read::RequestRef;

/// Largest request that is read, in bytes; one with an ML-DSA-87 key has 8,000.
const MAX_CSR: u64 = 65_536;

/// The requests that rows name, read from beside the input; their content counts as part of it.
pub(crate) struct CsrFiles {
    folder: PathBuf,
    read: Option<Context>,
}

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CsrError {
    /// The file.
    #[error("{} cannot be read: {error}; give a path from the input's folder, or the PEM itself", path.display())]
    File {
        /// Where it was looked for.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The file is no request's.
    #[error("{} is larger than {MAX_CSR} bytes, which no request is", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

impl Default for CsrFiles {
    fn default() -> Self {
        Self::beside(Path::new(""))
    }
}

impl CsrFiles {
    /// Paths start from the folder of `input`.
    pub(crate) fn beside(input: &Path) -> Self {
        Self { folder: input.parent().unwrap_or(Path::new("")).to_owned(), read: None }
    }

    /// The request that a cell holds or names.
    pub(crate) fn read(&mut self, cell: &str) -> Result<Vec<u8>, CsrError> {
        if cell.starts_with("-----BEGIN ") {
            return Ok(cell.as_bytes().to_vec());
        }
        let path = self.folder.join(cell);
        let mut bytes = Vec::new();
        let read = open(&path).and_then(|file| file.take(MAX_CSR + 1).read_to_end(&mut bytes));
        match read {
            Err(error) => return Err(CsrError::File { path, error }),
            Ok(length) if length as u64 > MAX_CSR => return Err(CsrError::TooLarge { path }),
            Ok(_) => {}
        }
        let digest = self.read.get_or_insert_with(|| Context::new(&SHA256));
        digest.update(&(bytes.len() as u64).to_be_bytes());
        digest.update(&bytes);
        Ok(bytes)
    }

    /// The digest of all files that were read, if any was.
    pub(crate) fn digest(&self) -> Option<[u8; 32]> {
        let digest = self.read.clone()?.finish();
        <[u8; 32]>::try_from(digest.as_ref()).ok()
    }
}

/// Opens a plain file: a pipe would keep us waiting for whoever writes into it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no plain file")),
    }
}

/// The common name and the public key of a request, PEM or DER, as far as they can be read; nothing is
/// verified.
pub(crate) fn named_key(csr: &[u8]) -> Option<(String, Vec<u8>)> {
    let decoded;
    let der = match pem_rfc7468::decode_vec(csr.trim_ascii()) {
        Ok((_, der)) => {
            decoded = der;
            &decoded
        }
        Err(_) => csr,
    };
    let request = RequestRef::read(der).ok()?;
    let name = request.subject.values_of(oid::COMMON_NAME).last();
    let name = name.and_then(|name| Some(name.text()?.into_owned())).unwrap_or_default();
    Some((name, request.spki.der.to_vec()))
}
