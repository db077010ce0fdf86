//! `ca init`: a root CA. What a root and an intermediate have in common is here, too.

use clap::Args;
use rustmq_ca::{CaCreation, Inherited, NewCa, RootCaRequest};
use rustmq_pki::key::KeyType;
use rustmq_pki::name::TrustDomain;

use crate::cli::{DryRun, OrganizationArgs, RepeatArgs};
use crate::cmd::show::{CA_COLUMNS, ca_card, ca_record};
use crate::cmd::subject::subject;
use crate::cmd::{notes, validity};
use crate::error::CliError;
use crate::output::Report;
use crate::output::progress::{self, Progress};
use crate::session::Session;
use crate::values;

/// Create a root CA, and the data directory if there is none.
#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    ca: NewCaArgs,
}

/// What a root and an intermediate have in common.
#[derive(Debug, Args)]
pub(crate) struct NewCaArgs {
    /// Common name of the CA
    #[arg(long, value_name = "NAME")]
    cn: String,
    #[command(flatten)]
    organization: OrganizationArgs,
    /// Type of the CA's key
    #[arg(long, value_name = "TYPE", value_parser = values::key_type(), default_value = "p256")]
    key_type: KeyType,
    /// Days from now to the end of validity [default: the profile's]
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    validity_days: Option<i64>,
    /// How many levels of CAs may follow below this one [default: the profile's]
    #[arg(long, value_name = "N")]
    path_len: Option<u8>,
    /// SPIFFE trust domain of the certificates; `none` for none [default: the issuer's]
    #[arg(long, value_name = "DOMAIN")]
    trust_domain: Option<String>,
    /// HTTP address under which CRLs, CA certificates and OCSP will be found; it stands in every
    /// certificate and cannot be added later; `none` for none [default: the issuer's]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Days from one CRL to its successor at the latest [default: 365 for a root, 7 below]
    #[arg(long, value_name = "DAYS")]
    crl_days: Option<u16>,
    /// Id of the CA [default: the next of its kind]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Profile of the CA's certificate [default: root-ca, intermediate-ca]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    #[command(flatten)]
    repeat: RepeatArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

impl NewCaArgs {
    /// Shows that the key is made, where that takes long.
    pub(crate) fn key_generation(&self, session: &Session) -> Progress {
        progress::key_generation(session.output, self.key_type)
    }

    /// The request that these flags make.
    pub(crate) fn request(&self) -> Result<NewCa, CliError> {
        let mut ca = NewCa::new(subject(&self.cn, &self.organization)?);
        ca.key_type = self.key_type;
        ca.id = self.id.clone();
        ca.profile = self.profile.clone();
        ca.validity = validity(self.validity_days);
        ca.path_len = self.path_len;
        ca.base_url = inherited(self.base_url.as_ref(), |url| Ok(url.to_owned()))?;
        ca.trust_domain = inherited(self.trust_domain.as_ref(), |domain| {
            TrustDomain::parse(domain).map_err(|e| CliError::value("--trust-domain", e))
        })?;
        ca.crl_days = self.crl_days;
        ca.idempotency = self.repeat.request();
        ca.execution = self.dry_run.execution();
        Ok(ca)
    }
}

fn inherited<T>(
    value: Option<&String>,
    parse: impl FnOnce(&str) -> Result<T, CliError>,
) -> Result<Inherited<T>, CliError> {
    match value.map(String::as_str) {
        None => Ok(Inherited::FromIssuer),
        Some("none") => Ok(Inherited::Absent),
        Some(value) => parse(value).map(Inherited::Own),
    }
}

/// The report on a CA that was made, or that a dry run would have made.
pub(crate) fn created(creation: &CaCreation, next: impl FnOnce(&str) -> String) -> Report {
    let inherited = [
        ("base URL", creation.base_url_inherited, &creation.base_url),
        ("trust domain", creation.trust_domain_inherited, &creation.trust_domain),
    ];
    let inherited = inherited.iter().filter_map(|(what, inherited, value)| {
        let value = value.as_ref().filter(|_| *inherited)?;
        Some(format!("the {what} {value} is its issuer's"))
    });
    let notes = notes(&creation.notes, creation.crl_failure.as_ref());
    let replayed =
        creation.replayed.then(|| "this was done before under the same idempotency key".to_owned());
    let notes = notes.into_iter().chain(inherited).chain(replayed).collect::<Vec<_>>();
    let Some(ca) = &creation.ca else {
        return crate::cmd::planned(&creation.planned).notes(notes);
    };
    Report::one(ca_record(ca), CA_COLUMNS)
        .with("replayed", creation.replayed)
        .card(ca_card(ca))
        .next(next(&ca.id))
        .notes(notes)
}

impl Init {
    /// Creates the root.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let request = RootCaRequest { ca: self.ca.request()? };
        let shown = self.ca.key_generation(session);
        let creation = session.creator(&shown)?.generate_root_ca(request).await?;
        drop(shown);
        Ok(created(&creation, |id| {
            format!("rustmq-admin ca intermediate --parent-ca {id} --cn \"Production CA\"")
        }))
    }
}
