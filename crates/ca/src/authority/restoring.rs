//! An authority from a backup: all is verified before anything has its name.

use rustmq_pki::key::Fingerprint;
use rustmq_pki::time::UnixTime;

use super::synchronous;
use crate::backup::{
    BackupError, GivenCrl, MergedCrl, Origin, RestoreRequest, Restored, RestoredRoot, Survey,
    Unpacked, revoked_by, survey,
};
use crate::info::RevokedCa;
use crate::request::{OpenMode, Options};
use crate::store::merge::{self, LaterCrl};
use crate::store::{
    Entry, OpenStore, Outcome, Store, audit, authorities, blocking, certificates, crls, standing,
};
use crate::{Actor, Error};

/// A data directory in the making and its store, open.
struct Restoring {
    // Closed before its directory goes.
    store: Store,
    unpacked: Unpacked,
    now: UnixTime,
    actor: Actor,
}

/// `restore`: needs no passphrase, since it signs nothing.
pub(crate) async fn restore(options: &Options, request: RestoreRequest) -> Result<Restored, Error> {
    let RestoreRequest { archive, expected_roots, crls } = request;
    let options = options.clone();
    let restoring = blocking(move || {
        let unpacked = Unpacked::new(archive, &options.data_dir)?;
        Restoring::open(unpacked, &options)
    })
    .await?;
    match restoring.complete(expected_roots, crls).await {
        Ok(restored) => {
            restoring.put().await?;
            Ok(restored)
        }
        Err(error) => {
            // Closing a store and removing a directory take their time.
            blocking(move || {
                drop(restoring);
                Ok(())
            })
            .await?;
            Err(error)
        }
    }
}

fn read_all(crls: &[GivenCrl], survey: &Survey) -> Result<Vec<(String, LaterCrl)>, Error> {
    let read = |given: &GivenCrl| Ok((given.name.clone(), given.read(survey)?));
    let mut read: Vec<_> = crls.iter().map(read).collect::<Result<_, Error>>()?;
    // Of several lists of one CA the later ones go on from the earlier.
    read.sort_by_key(|(_, later)| (later.authority, later.crl.number()));
    Ok(read)
}

impl Restoring {
    /// Opens the store in its directory in the making, and brings it to this program's version.
    fn open(unpacked: Unpacked, options: &Options) -> Result<Self, Error> {
        let now = options.clock.now();
        let store = Store::open(&OpenStore {
            data_dir: unpacked.path().to_owned(),
            mode: OpenMode::Write,
            now,
            synchronous: synchronous(options),
        })?;
        Ok(Self { store, unpacked, now, actor: options.actor.clone() })
    }

    /// Verifies what only an open store shows, and adds what became true since.
    async fn complete(
        &self,
        expected_roots: Vec<Fingerprint>,
        given: Vec<GivenCrl>,
    ) -> Result<Restored, Error> {
        let (survey, origin) = self.survey(expected_roots).await?;
        let (lists, survey) = blocking(move || Ok((read_all(&given, &survey)?, survey))).await?;
        let listed = revoked_by(&lists, &survey.path(self.unpacked.signed_by()));
        let abandoned = self.abandon().await?;
        // First: a list that is merged is the newest there is.
        self.store.write(crls::outdate_all).await?;
        let mut merged = Vec::with_capacity(lists.len());
        for (name, later) in lists {
            merged.push(self.merge(name, later).await?);
        }
        let signer_revoked = self.signer_revoked(listed).await?;
        let origin = self.weighed(origin, signer_revoked.as_ref())?;
        self.record(&survey).await?;
        self.store.truncate_wal().await?;
        let restored = self.describe(survey, origin, abandoned, merged).await?;
        Ok(Restored { signer_revoked, ..restored })
    }

    async fn survey(&self, expected: Vec<Fingerprint>) -> Result<(Survey, Origin), Error> {
        let version = self.unpacked.schema_version();
        let survey = self.store.read(move |connection| survey(connection, version)).await?;
        let origin = self.unpacked.check_origin(&survey, &expected)?;
        Ok((survey, origin))
    }

    /// The signer or a CA above it that is revoked, by the lists that were given or in the store.
    async fn signer_revoked(&self, listed: Vec<RevokedCa>) -> Result<Option<RevokedCa>, Error> {
        let signer = self.unpacked.signed_by().to_owned();
        let stored = self.store.read(move |connection| {
            let signer = authorities::by_id(connection, &signer)?.ok_or(Error::NoCa)?;
            standing::revoked_above(connection, &signer)
        });
        Ok(standing::worst(listed.into_iter().chain(stored.await?)))
    }

    /// What the signer's word is worth. One whose key is in other hands proves nothing, whatever date the
    /// manifest bears: that is as easily signed as the rest.
    fn weighed(&self, origin: Origin, revoked: Option<&RevokedCa>) -> Result<Origin, BackupError> {
        match (origin, revoked) {
            (Origin::Expected, Some(revoked)) if revoked.is_compromised() => {
                let ca_id = self.unpacked.signed_by().to_owned();
                Err(BackupError::CompromisedSigner { ca_id, revoked: revoked.clone() })
            }
            (Origin::Expected, Some(_)) => Ok(Origin::Revoked),
            (origin, _) => Ok(origin),
        }
    }

    /// What was being issued when the backup was made was issued by processes that are not here.
    async fn abandon(&self) -> Result<u64, Error> {
        let count = |all: Vec<_>| all.len() as u64;
        let before = self.store.read(|c| certificates::abandoned(c, None)).await.map(count)?;
        self.store.abandon_dead(self.now, self.actor.clone()).await?;
        let after = self.store.read(|c| certificates::abandoned(c, None)).await.map(count)?;
        Ok(after - before)
    }

    async fn merge(&self, name: String, later: LaterCrl) -> Result<MergedCrl, Error> {
        let (now, actor) = (self.now, self.actor.clone());
        let (ca_id, number) = (later.ca_id.clone(), later.crl.number());
        let merged = self
            .store
            .write(move |connection| merge::merge(connection, &later, now, &actor))
            .await?;
        let merge::Merged { is_later, revoked, unknown, released } = merged;
        Ok(MergedCrl { name, ca_id, number, is_later, revoked, unknown, released })
    }

    /// Lets the store go on as another than the one that was lost, and records it.
    async fn record(&self, survey: &Survey) -> Result<(), Error> {
        let entry = Entry {
            at: self.now,
            actor: self.actor.clone(),
            action: "store.restore",
            outcome: Outcome::Done,
            ca: Some(self.unpacked.signed_by().to_owned()),
            serial: None,
            principal: None,
            detail: format!(
                "backup of {}, manifest sha256 {}, up to record {}",
                self.unpacked.taken_at, self.unpacked.digest, survey.contents.audit.records
            ),
        };
        self.store
            .write(move |connection| {
                crls::skip_lost_numbers(connection, entry.at)?;
                audit::append(connection, &entry)
            })
            .await
    }

    async fn describe(
        &self,
        survey: Survey,
        origin: Origin,
        abandoned: u64,
        crls: Vec<MergedCrl>,
    ) -> Result<Restored, Error> {
        let due = self.store.read(crls::outdated).await?;
        Ok(Restored {
            taken_at: self.unpacked.taken_at,
            signed_by: self.unpacked.signed_by().to_owned(),
            manifest: self.unpacked.digest,
            roots: roots(&survey),
            origin,
            signer_revoked: None,
            cas: survey.cas.len() as u64,
            certificates: survey.contents.certificates,
            newest_certificate: survey.newest,
            audit_records: survey.contents.audit.records,
            profiles: self.unpacked.profiles(),
            abandoned,
            crls,
            crls_due: due.into_iter().map(|ca| ca.id).collect(),
        })
    }

    /// Closes the store, which leaves its file alone, and gives the data directory its name.
    async fn put(self) -> Result<(), Error> {
        let Self { store, unpacked, .. } = self;
        blocking(move || {
            drop(store);
            unpacked.put()
        })
        .await
    }
}

fn roots(survey: &Survey) -> Vec<RestoredRoot> {
    let roots = survey.contents.cas.iter().filter(|ca| ca.parent_id.is_none());
    roots
        .map(|ca| RestoredRoot {
            id: ca.id.clone(),
            common_name: ca.common_name.clone(),
            fingerprint: ca.fingerprint.clone(),
        })
        .collect()
}
