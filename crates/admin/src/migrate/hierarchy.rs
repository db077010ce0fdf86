//! The new hierarchy: made once, whatever happens, because every request bears an idempotency key.

use rustmq_ca::{
    CertificateManager, Error, Execution, IdempotencyKey, Inherited, IntermediateCaRequest, NewCa,
    RootCaRequest,
};
use rustmq_pki::name::{Attribute, DistinguishedName};

use super::plan::NewHierarchy;
use crate::error::CliError;

/// Makes the root and the CA under it, or finds them made. Gives their ids, the root's first.
///
/// With [`Execution::DryRun`] nothing is made, and what an earlier run made is found.
pub(super) async fn make(
    manager: &CertificateManager,
    new: &NewHierarchy,
    job: &str,
    execution: Execution,
) -> Result<Vec<String>, CliError> {
    let request = |common_name, organization: Option<&str>, key: &str| {
        let mut ca = ca(new, common_name, organization)?;
        ca.idempotency = Some(IdempotencyKey { key: key.to_owned(), job: job.to_owned() });
        ca.execution = execution;
        Ok::<NewCa, CliError>(ca)
    };
    let root = request(&new.root_cn, new.organization.as_deref(), "root")?;
    let Some(root) = manager.generate_root_ca(RootCaRequest { ca: root }).await?.ca else {
        return Ok(Vec::new());
    };
    let ca = request(&new.intermediate_cn, None, "intermediate")?;
    let request = IntermediateCaRequest { parent: root.id.clone(), ca };
    let intermediate = match manager.generate_intermediate_ca(request).await {
        // What has ended already is not found again.
        Err(Error::CaRetired { .. } | Error::IdempotencyStale { .. })
            if execution == Execution::DryRun =>
        {
            None
        }
        created => created?.ca,
    };
    Ok(std::iter::once(root).chain(intermediate).map(|ca| ca.id).collect())
}

fn ca(
    new: &NewHierarchy,
    common_name: &str,
    organization: Option<&str>,
) -> Result<NewCa, CliError> {
    let mut subject = DistinguishedName::default();
    if let Some(organization) = organization {
        subject = subject
            .with(Attribute::Organization, organization)
            .map_err(|error| CliError::value("organization", error))?;
    }
    let subject = subject
        .with(Attribute::CommonName, common_name)
        .map_err(|error| CliError::value("common name", error))?;
    let mut ca = NewCa::new(subject);
    ca.key_type = new.key_type;
    if let Some(url) = &new.base_url {
        ca.base_url = Inherited::Own(url.clone());
    }
    Ok(ca)
}
