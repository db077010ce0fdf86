//! What may hold certificates and keys and is not opened: keystores, and archives in a directory or an
//! archive. A scan says so, since nobody should take it for clean.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::archive;
use super::finding::Fault;
use super::gzip::{BLOCK, MAGIC};
use super::source::{extension, is_named_for_it};

/// What a file is that is not opened, by its name and its beginning.
pub(super) fn closed(name: &str, head: &[u8]) -> Option<Fault> {
    if is_keystore(name, head) {
        return Some(Fault::Keystore);
    }
    is_archive(name, head).then_some(Fault::Archive)
}

fn is_keystore(name: &str, head: &[u8]) -> bool {
    let named = ["p12", "pfx", "jks", "jceks", "bks", "keystore", "truststore", "p7b", "p7c"];
    // JKS and JCEKS.
    let begins = [[0xfe, 0xed, 0xfe, 0xed], [0xce; 4]].iter().any(|magic| head.starts_with(magic));
    named.contains(&extension(name).as_str()) || begins || is_pkcs(head)
}

/// PKCS#12 (RFC 7292 4: version 3, then a ContentInfo) and PKCS#7 (RFC 2315 14: signedData).
fn is_pkcs(head: &[u8]) -> bool {
    const SIGNED_DATA: [u8; 11] =
        [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    let [0x30, length, ..] = head else { return false };
    let octets = if *length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    let contents = head.get(2 + octets..).unwrap_or_default();
    contents.starts_with(&[0x02, 0x01, 0x03, 0x30]) || contents.starts_with(&SIGNED_DATA)
}

/// Archives, and what is compressed if its name says that it is one or holds certificates or keys. Of
/// zip, which is the form of programs and documents too, what is named for it.
fn is_archive(name: &str, head: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    let inner =
        [".gz", ".xz", ".bz2", ".zst", ".lzma"].iter().find_map(|end| lower.strip_suffix(end));
    let named = inner.is_some_and(|inner| inner.ends_with(".tar") || is_named_for_it(inner))
        || ["tgz", "txz", "tbz", "tbz2", "tzst"].contains(&extension(name).as_str());
    if head.starts_with(&MAGIC) {
        return named || holds_certificates(head);
    }
    let magics: [&[u8]; 3] = [b"\xfd7zXZ\0", b"BZh", b"\x28\xb5\x2f\xfd"];
    let zips: [&[u8]; 2] = [b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c"];
    let begins = |magics: &[&[u8]]| magics.iter().any(|magic| head.starts_with(magic));
    let is_zip = begins(&zips) && ["", "zip", "7z"].contains(&extension(name).as_str());
    // A file of zeros may be an empty tar, and holds nothing in either case.
    let is_tar = archive::is_tar(head) && head.first() != Some(&0);
    named && begins(&magics) || is_zip || is_tar
}

/// Whether what is compressed begins as a tar, or as PEM.
fn holds_certificates(head: &[u8]) -> bool {
    let mut begin = Vec::new();
    // Of what is cut off after some octets those before are taken.
    let _cut_off = GzDecoder::new(head).take(BLOCK as u64).read_to_end(&mut begin);
    archive::is_tar(&begin) || begin.windows(11).any(|window| window == b"-----BEGIN ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_opened_is_known_by_name_or_beginning() {
        let keystore: [(&str, &[u8]); 5] = [
            ("a.p12", b"x"),
            ("store", b"\xfe\xed\xfe\xed\0\0\0\x02"),
            ("store", b"\xce\xce\xce\xce\0\0\0\x02"),
            ("store", b"\x30\x82\x01\x00\x02\x01\x03\x30\x82"),
            ("store", b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0"),
        ];
        for (name, head) in keystore {
            assert_eq!(closed(name, head), Some(Fault::Keystore), "{name} {head:?}");
        }
        let archive: [(&str, &[u8]); 5] = [
            ("a.tar.gz", &MAGIC),
            ("a.pem.gz", &MAGIC),
            ("a.tar.xz", b"\xfd7zXZ\0"),
            ("a.TBZ2", b"BZh9"),
            ("a.zip", b"PK\x03\x04"),
        ];
        for (name, head) in archive {
            assert_eq!(closed(name, head), Some(Fault::Archive), "{name}");
        }
        let neither: [(&str, &[u8]); 5] = [
            ("a.log.gz", &MAGIC),
            ("a.jar", b"PK\x03\x04"),
            ("a.pem", b"-----BEGIN "),
            ("a", &[0; 1024]),
            ("a", b"\x30\x82\x01\x00\x02\x01\x00"),
        ];
        for (name, head) in neither {
            assert_eq!(closed(name, head), None, "{name}");
        }
    }
}
