//! The profiles of a data directory: the built-in ones, and the user's in `profiles/NAME.toml`.

use std::path::{Path, PathBuf};

use rustmq_pki::profile::Profile;

use crate::Error;
use crate::store::io_error;

/// The folder of the user's profiles in the data directory.
const DIRECTORY: &str = "profiles";

/// Finds profiles by name. Files are read each time: an edited profile counts at once, and its
/// version stands in what is issued under it.
#[derive(Clone, Debug)]
pub(crate) struct Profiles {
    directory: PathBuf,
}

impl Profiles {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { directory: data_dir.join(DIRECTORY) }
    }

    /// The profile with this name. A user's file cannot replace a built-in profile.
    pub(crate) fn find(&self, name: &str) -> Result<Profile, Error> {
        if let Some(profile) = Profile::builtin(name) {
            return Ok(profile);
        }
        if is_name(name) {
            let path = self.directory.join(format!("{name}.toml"));
            match std::fs::read_to_string(&path) {
                Ok(text) => return parse(name, &text, path),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error(&path, error)),
            }
        }
        Err(Error::UnknownProfile { name: name.to_owned(), known: self.names()? })
    }

    /// The user's files, by the path under which they are archived.
    pub(crate) fn files(&self) -> Result<Vec<(String, PathBuf)>, Error> {
        let entries = match self.directory.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error(&self.directory, error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| io_error(&self.directory, error))?;
            let path = format!("{DIRECTORY}/{}", entry.file_name().to_string_lossy());
            if archived_name(&path).is_some() {
                files.push((path, entry.path()));
            }
        }
        files.sort();
        Ok(files)
    }

    /// The names of all profiles: built-in ones first.
    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        let mut names: Vec<String> = Profile::BUILTIN.iter().map(|n| (*n).to_owned()).collect();
        let mut own = Vec::new();
        let entries = match self.directory.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(io_error(&self.directory, error)),
        };
        for entry in entries {
            let name = entry.map_err(|error| io_error(&self.directory, error))?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".toml"));
            own.extend(name.filter(|name| is_name(name)).map(str::to_owned));
        }
        own.retain(|name| !names.contains(name));
        own.sort();
        names.append(&mut own);
        Ok(names)
    }
}

/// The name of the profile whose file is archived under this path: `profiles/NAME.toml`.
pub(crate) fn archived_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix(DIRECTORY)?.strip_prefix('/')?.strip_suffix(".toml")?;
    is_name(name).then_some(name)
}

fn parse(name: &str, text: &str, path: PathBuf) -> Result<Profile, Error> {
    Profile::from_toml(name, text).map_err(|error| Error::ProfileFile { path, error })
}

/// A profile's name is a file's name, and nothing that leads elsewhere.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.len() <= 64 && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_adds_a_profile_and_replaces_none() {
        let temp = tempfile::tempdir().unwrap();
        let profiles = Profiles::new(temp.path());
        assert_eq!(profiles.names().unwrap().len(), Profile::BUILTIN.len());
        std::fs::create_dir(temp.path().join(DIRECTORY)).unwrap();
        let own = Profile::builtin("client").unwrap().to_toml();
        for name in ["sensor", "client"] {
            std::fs::write(temp.path().join(DIRECTORY).join(format!("{name}.toml")), &own).unwrap();
        }
        assert_eq!(profiles.names().unwrap().last().unwrap(), "sensor");
        assert_eq!(profiles.names().unwrap().len(), Profile::BUILTIN.len() + 1);
        assert_eq!(profiles.find("sensor").unwrap().name(), "sensor");
        for name in ["../client", "sensors", ""] {
            assert!(matches!(profiles.find(name), Err(Error::UnknownProfile { .. })), "{name}");
        }
        std::fs::write(temp.path().join(DIRECTORY).join("bad.toml"), "color = 1").unwrap();
        assert!(matches!(profiles.find("bad"), Err(Error::ProfileFile { .. })));
    }
}
