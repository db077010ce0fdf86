//! From flags to a subject.

use rustmq_pki::name::{Attribute, DistinguishedName};

use crate::cli::OrganizationArgs;
use crate::error::CliError;

/// The subject that `--cn` and the organisation flags make.
pub(crate) fn subject(
    common_name: &str,
    args: &OrganizationArgs,
) -> Result<DistinguishedName, CliError> {
    named(Some(common_name), args).try_fold(
        DistinguishedName::default(),
        |name, (flag, attribute, value)| {
            name.with(attribute, value).map_err(|error| CliError::value(flag, error))
        },
    )
}

/// The attributes that the organisation flags add to a principal's common name.
pub(crate) fn attributes(args: &OrganizationArgs) -> Result<Vec<(Attribute, String)>, CliError> {
    let checked = named(None, args).map(|(flag, attribute, value)| {
        let alone = DistinguishedName::default().with(attribute, value);
        alone.map_err(|error| CliError::value(flag, error))?;
        Ok((attribute, value.to_owned()))
    });
    checked.collect()
}

/// The attributes that are given, with their flags.
fn named<'a>(
    common_name: Option<&'a str>,
    args: &'a OrganizationArgs,
) -> impl Iterator<Item = (&'static str, Attribute, &'a str)> {
    [
        ("--country", Attribute::Country, args.country.as_deref()),
        ("--state", Attribute::State, args.state.as_deref()),
        ("--locality", Attribute::Locality, args.locality.as_deref()),
        ("--org", Attribute::Organization, args.org.as_deref()),
        ("--org-unit", Attribute::OrganizationalUnit, args.org_unit.as_deref()),
        ("--cn", Attribute::CommonName, common_name),
    ]
    .into_iter()
    .filter_map(|(flag, attribute, value)| Some((flag, attribute, value?)))
}
