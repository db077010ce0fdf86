//! Which private key should belong to which certificate, by their places, and whether it does.

use std::collections::HashMap;

use rustmq_pki::read::CertificateRef;

use super::collection::{Collection, FoundCertificate, FoundKey};
use super::finding::{Fault, Finding};

/// Words of a file's name that say what it is and not whose.
const KINDS: [&str; 16] = [
    "cert",
    "certs",
    "certificate",
    "crt",
    "cer",
    "key",
    "keys",
    "private",
    "privkey",
    "priv",
    "pem",
    "der",
    "chain",
    "fullchain",
    "tls",
    "bundle",
];

/// Whose file it is, by its name: `broker-01.crt`, `broker-01-key.pem` and `broker-01.key` are one's.
fn owner(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    let words = name.split(['.', '-', '_']).filter(|word| !word.is_empty());
    words.filter(|word| !KINDS.contains(word)).collect::<Vec<_>>().join("-")
}

/// Folders of private keys alone: their certificates lie beside the folder, or in one beside it, as
/// `openssl ca` (`private`, `certs`) and Easy-RSA (`pki/private`, `pki/issued`) have it.
const KEY_FOLDERS: [&str; 4] = ["private", "keys", "key", "priv"];

/// What a folder of private keys lies in; none if it is another folder.
fn above_keys(key_folder: &str) -> Option<&str> {
    let name = key_folder.rsplit('/').next()?.to_ascii_lowercase();
    KEY_FOLDERS.contains(&name.as_str()).then(|| folder(key_folder))
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The certificates by place; of a file with several, which is a chain, the first.
#[derive(Default)]
struct Places<'a> {
    in_file: HashMap<&'a str, Vec<usize>>,
    /// By folder and owner.
    owned: HashMap<(&'a str, String), Vec<(&'a str, usize)>>,
    /// By the folder above theirs and owner.
    below: HashMap<(&'a str, String), Vec<(&'a str, usize)>>,
    /// Those of end entities, by folder.
    ends: HashMap<&'a str, Vec<(&'a str, usize)>>,
}

impl<'a> Places<'a> {
    fn of(certificates: &'a [FoundCertificate], ends: &[bool]) -> Self {
        let mut places = Self::default();
        for (index, certificate) in certificates.iter().enumerate() {
            for place in &certificate.places {
                let file = place.file.as_str();
                places.in_file.entry(file).or_default().push(index);
                if place.position > 0 {
                    continue;
                }
                let folder = folder(file);
                if !folder.is_empty() {
                    let above = self::folder(folder);
                    places.below.entry((above, owner(file))).or_default().push((file, index));
                }
                places.owned.entry((folder, owner(file))).or_default().push((file, index));
                if ends[index] {
                    places.ends.entry(folder).or_default().push((file, index));
                }
            }
        }
        places
    }

    /// The certificates that a key of this file should fit: those of the same file, those that have
    /// the same owner in its folder or, for a folder of keys, around it, or the folder's only one of an end entity if the key is its only one, too.
    fn mates(&self, key: &FoundKey, keys_beside: usize) -> Vec<(&'a str, usize)> {
        if let Some((file, own)) = self.in_file.get_key_value(key.file.as_str()) {
            return own.iter().map(|index| (*file, *index)).collect();
        }
        let folder = folder(&key.file);
        if let Some(owned) = self.owned.get(&(folder, owner(&key.file))) {
            return owned.clone();
        }
        let owner = owner(&key.file);
        if let Some(above) = above_keys(folder).filter(|_| !owner.is_empty()) {
            let place = (above, owner);
            let (beside, in_one) = (self.owned.get(&place), self.below.get(&place));
            let mates: Vec<_> = beside.into_iter().chain(in_one).flatten().copied().collect();
            if !mates.is_empty() {
                return mates;
            }
        }
        match self.ends.get(folder).map_or(&[][..], Vec::as_slice) {
            [only] if keys_beside == 1 => vec![*only],
            _ => Vec::new(),
        }
    }
}

/// The keys that do not fit the certificates beside them. `ends` tells which certificates are end
/// entities'. A key without a certificate, or a certificate without a key, is no finding.
pub(super) fn mismatches(collection: &Collection, ends: &[bool]) -> Vec<Finding> {
    let places = Places::of(&collection.certificates, ends);
    let mut keys_of: HashMap<&str, usize> = HashMap::new();
    for key in &collection.keys {
        *keys_of.entry(folder(&key.file)).or_default() += 1;
    }
    let mut findings = Vec::new();
    for key in &collection.keys {
        let beside = keys_of.get(folder(&key.file)).copied().unwrap_or_default();
        let mates = places.mates(key, beside);
        let fits = |(_, index): &(&str, usize)| fits(key, &collection.certificates[*index]);
        if mates.is_empty() || mates.iter().any(|mate| fits(mate) != Some(false)) {
            continue;
        }
        let certificate = mates[0].0.to_owned();
        findings.push(Finding::of_file(&key.file, Fault::KeyMismatch { certificate }));
    }
    findings
}

/// Whether a key is a certificate's; none where that cannot be said.
pub(super) fn fits(key: &FoundKey, certificate: &FoundCertificate) -> Option<bool> {
    key.key.fits(&CertificateRef::read(&certificate.der).ok()?.spki)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_owner() {
        for (one, other) in [
            ("broker-01.crt", "broker-01.key"),
            ("a/broker-01.pem", "a/broker-01-key.pem"),
            ("tls.crt", "tls.key"),
            ("fullchain.pem", "privkey.pem"),
            ("server-cert.pem", "server.key.pem"),
            ("Client_Certificate.cer", "client_private.der"),
        ] {
            assert_eq!(owner(one), owner(other), "{one} {other}");
        }
        for (one, other) in [("broker-01.crt", "broker-02.key"), ("server.crt", "client.key")] {
            assert_ne!(owner(one), owner(other), "{one} {other}");
        }
    }
}
