//! A gzip file: a tar archive, or one compressed file of certificates and keys.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use super::archive::{self, damaged};
use super::source::{Content, Member, Origin, SourceError, Take, content};

/// What a gzip file begins with.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Octets of a tar's header.
pub(super) const BLOCK: usize = 512;

/// Hands on what a gzip file holds: the entries of a tar, or what it is the compressed form of.
pub(super) fn read(
    name: &str,
    mode: u32,
    packed: impl Read,
    take: &mut impl Take,
) -> Result<Origin, SourceError> {
    let mut unpacked = Members::new(packed);
    let mut head = Vec::new();
    (&mut unpacked).take(BLOCK as u64).read_to_end(&mut head).map_err(damaged)?;
    let whole = io::Cursor::new(head.clone()).chain(unpacked);
    if archive::is_tar(&head) {
        archive::read(whole, take)?;
        return Ok(Origin::Archive);
    }
    let held = archive::bounded(whole, |whole| {
        let held = content(name, &mut *whole)?;
        // Only its end tells whether it is whole.
        io::copy(whole, &mut io::sink()).map(|_| held)
    })?;
    match held {
        Content::Nothing => return Err(SourceError::OtherGzip),
        Content::Unread(fault) => take.unread(name, fault),
        Content::Bytes(bytes) => {
            take.member(&Member { name: name.to_owned(), mode, bytes })?;
        }
    }
    Ok(Origin::Disk)
}

/// The members of a gzip file (RFC 1952 2.2), one after the other. Zeros may follow, as on a tape.
struct Members<R: Read> {
    /// None at the end.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Members<R> {
    fn new(packed: R) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::new(packed))) }
    }

    /// The member that follows one that has ended.
    fn following(mut packed: BufReader<R>) -> io::Result<Option<GzDecoder<BufReader<R>>>> {
        loop {
            let octets = packed.fill_buf()?;
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            match octets.get(zeros) {
                Some(octet) if *octet == MAGIC[0] => {
                    packed.consume(zeros);
                    return Ok(Some(GzDecoder::new(packed)));
                }
                Some(_) => return Err(io::ErrorKind::InvalidData.into()),
                None if zeros == 0 => return Ok(None),
                None => packed.consume(zeros),
            }
        }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(mut member) = self.member.take() {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                self.member = Some(member);
                return Ok(count);
            }
            self.member = Self::following(member.into_inner())?;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
        zip.write_all(content).unwrap();
        zip.finish().unwrap()
    }

    fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        Members::new(packed).read_to_end(&mut content).map(|_| content)
    }

    #[test]
    fn members_are_one_after_the_other_and_zeros_may_follow() {
        assert_eq!(unpacked(&[packed(b"a"), packed(b"b")].concat()).unwrap(), b"ab");
        assert_eq!(unpacked(&[packed(b"a"), vec![0; 9000]].concat()).unwrap(), b"a");
    }

    #[test]
    fn what_is_cut_off_is_told_from_what_has_something_behind_it() {
        let whole = packed(b"content");
        let kind = |packed: &[u8]| unpacked(packed).unwrap_err().kind();
        assert_eq!(kind(&whole[..whole.len() - 3]), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(&[&whole[..], b"x"].concat()), io::ErrorKind::InvalidData);
        assert_eq!(
            kind(&[&whole[..], b"more than a header has"].concat()),
            io::ErrorKind::InvalidData
        );
    }
}
