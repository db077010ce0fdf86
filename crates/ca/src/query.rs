//! What is read: lists, trees, chains, bundles. None of it needs a passphrase.

use rusqlite::Connection;
use rustmq_pki::certificate::Certificate;
use rustmq_pki::crl::CertificateRevocationList;
use rustmq_pki::time::UnixTime;

use crate::authority::{Authority, Prepared, prepare};
use crate::info::{
    CaInfo, CaStatus, CaTree, CertificateInfo, CertificateRole, CertificateStatus, RoleCount,
};
use crate::outcome::Bundle;
use crate::request::ListFilter;
use crate::store::{CaRow, CaState, Fault, Selection, authorities, certificates, counts, crls};
use crate::{Error, describe, names};

/// Within how many days an end is near, where nobody says.
const EXPIRING_DAYS: i64 = 14;

impl Authority {
    pub(crate) async fn find_ca(&self, name: &str) -> Result<CaInfo, Error> {
        let (name, now) = (name.to_owned(), self.now());
        self.store
            .read(move |connection| {
                let row = names::find_ca(connection, &name)?;
                describe_ca(connection, &row, now)
            })
            .await
    }

    pub(crate) async fn list_cas(&self) -> Result<Vec<CaInfo>, Error> {
        let now = self.now();
        self.store
            .read(move |connection| {
                let all = authorities::all(connection)?;
                all.iter().map(|row| describe_ca(connection, row, now)).collect()
            })
            .await
    }

    pub(crate) async fn ca_tree(&self) -> Result<Vec<CaTree>, Error> {
        Ok(branches(&self.list_cas().await?, None))
    }

    pub(crate) async fn ca_chain(&self, name: &str) -> Result<Vec<Certificate>, Error> {
        let name = name.to_owned();
        let prepared: Prepared = self
            .store
            .read(move |connection| prepare(connection, names::find_ca(connection, &name)?))
            .await?;
        Ok(prepared.chain.to_vec())
    }

    pub(crate) async fn list(&self, filter: ListFilter) -> Result<Vec<CertificateInfo>, Error> {
        let now = self.now();
        self.store.read(move |connection| list(connection, filter, now)).await
    }

    pub(crate) async fn end_entities(&self, filter: ListFilter) -> Result<Vec<i64>, Error> {
        let now = self.now();
        self.store
            .read(move |connection| {
                let (selection, status) = selection(connection, filter, now)?;
                let mut found = Vec::new();
                certificates::visit(connection, &selection, |row| {
                    let is_meant = status.is_none_or(|status| row.status(now) == status);
                    if is_meant && row.subject_authority.is_none() {
                        found.push(row.number);
                    }
                    Ok(())
                })?;
                Ok(found)
            })
            .await
    }

    pub(crate) async fn without_successor(&self, filter: ListFilter) -> Result<Vec<i64>, Error> {
        let now = self.now();
        let mut found = self.end_entities(filter).await?;
        let renewed = self.store.read(move |c| certificates::with_successor(c, now)).await?;
        found.retain(|number| !renewed.contains(number));
        Ok(found)
    }

    pub(crate) async fn info(&self, name: &str) -> Result<CertificateInfo, Error> {
        let (name, now) = (name.to_owned(), self.now());
        self.store
            .read(move |connection| {
                let row = names::find_certificate(connection, &name)?;
                Ok(describe::certificate(&row, now))
            })
            .await
    }

    pub(crate) async fn bundle(&self, name: &str) -> Result<Bundle, Error> {
        let (name, now) = (name.to_owned(), self.now());
        self.store.read(move |connection| bundle(connection, &name, now)).await
    }
}

/// The rows that a filter lets through, and the status that they have to have besides.
pub(crate) fn selection(
    connection: &Connection,
    filter: ListFilter,
    now: UnixTime,
) -> Result<(Selection, Option<CertificateStatus>), Fault> {
    let mut selection = Selection {
        principal: filter.principal,
        role: filter.role,
        revoked: matches!(
            filter.status,
            Some(
                CertificateStatus::OnHold
                    | CertificateStatus::Revoked
                    | CertificateStatus::Superseded
            )
        ),
        ..Selection::default()
    };
    if let Some(name) = &filter.ca {
        selection.authority = Some(names::find_ca(connection, name)?.number);
    }
    let mut status = filter.status;
    if let Some(days) = filter.expiring_within_days {
        selection.ends_within = Some((now, now.plus_days(days)));
        status = status.or(Some(CertificateStatus::Active));
    }
    Ok((selection, status))
}

fn list(
    connection: &Connection,
    filter: ListFilter,
    now: UnixTime,
) -> Result<Vec<CertificateInfo>, Fault> {
    let (selection, status) = selection(connection, filter, now)?;
    let mut found = Vec::new();
    certificates::visit(connection, &selection, |row| {
        if status.is_none_or(|status| row.status(now) == status) {
            found.push(describe::certificate(&row, now));
        }
        Ok(())
    })?;
    Ok(found)
}

fn bundle(connection: &Connection, name: &str, now: UnixTime) -> Result<Bundle, Fault> {
    let row = names::find_certificate(connection, name)?;
    let info = describe::certificate(&row, now);
    let (mut chain, mut crls) = (Vec::new(), Vec::new());
    let is_self_issued = row.subject_authority == Some(row.authority);
    let mut link = match is_self_issued {
        true => None,
        false => authorities::by_number(connection, row.authority)?,
    };
    while let Some(ca) = link {
        let certificate = certificates::by_number(connection, ca.certificate)?;
        chain.extend(certificate.map(|row| row.certificate));
        crls.extend(crls_of(connection, &ca)?);
        link = match ca.parent {
            Some(parent) => authorities::by_number(connection, parent)?,
            None => None,
        };
    }
    Ok(Bundle { info, certificate: row.certificate, chain, crls })
}

fn crls_of(
    connection: &Connection,
    ca: &CaRow,
) -> Result<Option<CertificateRevocationList>, Fault> {
    Ok(crls::stored(connection, ca.number)?.map(|stored| stored.crl))
}

/// What a CA tells at `now`.
pub(crate) fn describe_ca(
    connection: &Connection,
    row: &CaRow,
    now: UnixTime,
) -> Result<CaInfo, Fault> {
    let certificate = certificates::by_number(connection, row.certificate)?
        .ok_or_else(|| Error::UnknownCertificate { name: row.id.clone() })?;
    let parent_id = match row.parent {
        Some(parent) => authorities::by_number(connection, parent)?.map(|parent| parent.id),
        None => None,
    };
    let crl = crls::stored(connection, row.number)?.map(|stored| stored.crl);
    let counts = counts::of(connection, row.number, now, EXPIRING_DAYS)?;
    let described = describe::certificate(&certificate, now);
    Ok(CaInfo {
        id: row.id.clone(),
        common_name: row.common_name.clone(),
        parent_id,
        status: match authorities::is_key_lost(connection, row)? {
            true => CaStatus::Revoked,
            false => ca_status(row, described.status),
        },
        path_len: describe::path_len(&certificate),
        certificate: described,
        base_url: row.base_url.clone(),
        trust_domain: row.trust_domain.as_ref().map(ToString::to_string),
        crl_number: crl.as_ref().map(CertificateRevocationList::number),
        crl_this_update: crl.as_ref().map(CertificateRevocationList::this_update),
        crl_next_update: crl.as_ref().map(CertificateRevocationList::next_update),
        counts: counts
            .into_iter()
            .filter(|count| count.role != CertificateRole::RootCa)
            .map(|count| RoleCount {
                role: count.role,
                active: u64::try_from(count.active).unwrap_or(0),
                expiring: u64::try_from(count.expiring).unwrap_or(0),
                revoked: u64::try_from(count.revoked).unwrap_or(0),
            })
            .collect(),
    })
}

fn ca_status(row: &CaRow, certificate: CertificateStatus) -> CaStatus {
    match certificate {
        CertificateStatus::Revoked | CertificateStatus::Superseded => CaStatus::Revoked,
        CertificateStatus::OnHold => CaStatus::OnHold,
        CertificateStatus::Expired => CaStatus::Expired,
        CertificateStatus::Active if row.state == CaState::Retired => CaStatus::Retired,
        CertificateStatus::Active => CaStatus::Active,
    }
}

/// One CA by number.
pub(crate) async fn ca_info(
    authority: &Authority,
    number: i64,
    now: UnixTime,
) -> Result<CaInfo, Error> {
    authority
        .store
        .read(move |connection| {
            let row = authorities::by_number(connection, number)?.ok_or(Error::NoCa)?;
            describe_ca(connection, &row, now)
        })
        .await
}

/// The trees below `parent`. A CA's parent is always older, so this ends.
fn branches(all: &[CaInfo], parent: Option<&str>) -> Vec<CaTree> {
    all.iter()
        .filter(|ca| ca.parent_id.as_deref() == parent)
        .map(|ca| CaTree { ca: ca.clone(), children: branches(all, Some(&ca.id)) })
        .collect()
}
