//! Distinguished names of subjects and issuers.

use std::fmt;

use super::Principal;
use crate::der::tag;
use crate::encode::Encoder;
use crate::oid;
use crate::read::NameRef;

/// An attribute type that our subjects may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// countryName: two capital letters (ISO 3166).
    Country,
    /// stateOrProvinceName.
    State,
    /// localityName.
    Locality,
    /// organizationName.
    Organization,
    /// organizationalUnitName.
    OrganizationalUnit,
    /// commonName.
    CommonName,
}

impl Attribute {
    const ALL: [Self; 6] = [
        Self::Country,
        Self::State,
        Self::Locality,
        Self::Organization,
        Self::OrganizationalUnit,
        Self::CommonName,
    ];

    const fn oid(self) -> &'static [u8] {
        match self {
            Self::Country => oid::COUNTRY,
            Self::State => oid::STATE,
            Self::Locality => oid::LOCALITY,
            Self::Organization => oid::ORGANIZATION,
            Self::OrganizationalUnit => oid::ORGANIZATIONAL_UNIT,
            Self::CommonName => oid::COMMON_NAME,
        }
    }

    /// Upper bound in characters (RFC 5280 appendix A.1).
    const fn upper_bound(self) -> usize {
        match self {
            Self::Country => 2,
            Self::State | Self::Locality => 128,
            Self::Organization | Self::OrganizationalUnit | Self::CommonName => 64,
        }
    }

    const fn short_name(self) -> &'static str {
        match self {
            Self::Country => "C",
            Self::State => "ST",
            Self::Locality => "L",
            Self::Organization => "O",
            Self::OrganizationalUnit => "OU",
            Self::CommonName => "CN",
        }
    }
}

/// Why a value does not fit its attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistinguishedNameError {
    /// Nothing, or nothing but white space.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// Too many characters.
    #[error("{attribute} has {characters} characters; at most {limit} are allowed (RFC 5280 A.1)")]
    TooLong {
        /// The attribute's short name.
        attribute: &'static str,
        /// Characters given.
        characters: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// A control character.
    #[error("{0} has a control character")]
    Control(&'static str),
    /// A common name where the principal is it.
    #[error("the common name of an end entity is its principal and cannot be set beside it")]
    CommonNameIsPrincipal,
    /// Not two letters.
    #[error("{0:?} is not a country: give the two letters of ISO 3166, such as DE")]
    Country(String),
}

/// A subject's or an issuer's name: country, state, locality, organisation, unit and common name, in
/// that order, one attribute to a relative name.
///
/// Displays as RFC 4514 wants it: last attribute first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DistinguishedName {
    attributes: Vec<(Attribute, String)>,
}

impl DistinguishedName {
    /// The name that has only the principal's common name.
    pub fn of_principal(principal: &Principal) -> Self {
        Self { attributes: vec![(Attribute::CommonName, principal.as_str().to_owned())] }
    }

    /// Adds or replaces one attribute, at its place in the order.
    pub fn with(
        mut self,
        attribute: Attribute,
        value: &str,
    ) -> Result<Self, DistinguishedNameError> {
        let name = attribute.short_name();
        let characters = value.chars().count();
        if value.trim().is_empty() {
            return Err(DistinguishedNameError::Empty(name));
        }
        if attribute == Attribute::Country {
            if value.len() != 2 || !value.bytes().all(|c| c.is_ascii_alphabetic()) {
                return Err(DistinguishedNameError::Country(value.to_owned()));
            }
        } else if characters > attribute.upper_bound() {
            let limit = attribute.upper_bound();
            return Err(DistinguishedNameError::TooLong { attribute: name, characters, limit });
        }
        if value.chars().any(char::is_control) {
            return Err(DistinguishedNameError::Control(name));
        }
        let value = match attribute {
            Attribute::Country => value.to_ascii_uppercase(),
            _ => value.to_owned(),
        };
        self.attributes.retain(|(present, _)| *present != attribute);
        let place = self.attributes.partition_point(|(other, _)| (*other as u8) < attribute as u8);
        self.attributes.insert(place, (attribute, value));
        Ok(self)
    }

    /// The value of an attribute, where it has one.
    pub fn value(&self, attribute: Attribute) -> Option<&str> {
        self.attributes.iter().find(|(a, _)| *a == attribute).map(|(_, value)| value.as_str())
    }

    /// The common name, where there is one.
    pub fn common_name(&self) -> Option<&str> {
        self.value(Attribute::CommonName)
    }

    /// Whether it has no attribute.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// The DER of the Name.
    pub fn to_der(&self) -> Vec<u8> {
        let mut encoder = Encoder::with_capacity(64);
        self.encode(&mut encoder);
        encoder.into_bytes()
    }

    /// The owned form of a name that was read; `None` where it has an attribute of another type, one
    /// twice, or a value out of bounds.
    pub fn from_view(view: &NameRef<'_>) -> Option<Self> {
        let mut name = Self::default();
        for attribute in view.attributes() {
            let kind = Attribute::ALL.into_iter().find(|kind| attribute.oid == *kind.oid())?;
            if name.value(kind).is_some() {
                return None;
            }
            name = name.with(kind, &attribute.text()?).ok()?;
        }
        Some(name)
    }

    /// The name as comparison sees it (RFC 5280 7.1): case and runs of white space do not count.
    pub(crate) fn match_key(&self) -> String {
        let mut key = String::new();
        self.match_chars(&mut |c| {
            key.push(c);
            true
        });
        key
    }

    /// Whether comparison would take it for the name with this [`Self::match_key`].
    pub(crate) fn matches(&self, key: &str) -> bool {
        let mut key = key.chars();
        self.match_chars(&mut |c| key.next() == Some(c)) && key.next().is_none()
    }

    /// Gives each character of the name as comparison sees it to `each`, until that says to end; says
    /// whether it never did.
    fn match_chars(&self, each: &mut impl FnMut(char) -> bool) -> bool {
        self.attributes.iter().all(|(attribute, value)| {
            attribute.short_name().chars().all(&mut *each) && match_words(value, each) && each('\n')
        })
    }

    /// Writes the Name.
    pub(crate) fn encode(&self, encoder: &mut Encoder) {
        encoder.nested(tag::SEQUENCE, |rdns| {
            for (attribute, value) in &self.attributes {
                let string_tag = match attribute {
                    Attribute::Country => tag::PRINTABLE_STRING,
                    _ => tag::UTF8_STRING,
                };
                rdns.nested(tag::SET, |set| {
                    set.nested(tag::SEQUENCE, |pair| {
                        pair.oid(attribute.oid()).value(string_tag, value.as_bytes());
                    });
                });
            }
        });
    }
}

/// The words of a value, a space before each.
fn match_words(value: &str, each: &mut impl FnMut(char) -> bool) -> bool {
    let mut is_apart = true;
    value.chars().all(|c| {
        let is_space = c.is_whitespace();
        let starts = std::mem::replace(&mut is_apart, is_space) && !is_space;
        (!starts || each(' ')) && (is_space || c.to_lowercase().all(&mut *each))
    })
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (attribute, value)) in self.attributes.iter().rev().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}=", attribute.short_name())?;
            write_escaped(f, value)?;
        }
        Ok(())
    }
}

/// RFC 4514 2.4.
fn write_escaped(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let last = value.chars().count().saturating_sub(1);
    for (index, c) in value.chars().enumerate() {
        let special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (index == 0 && matches!(c, ' ' | '#'))
            || (index == last && c == ' ');
        if special {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_ordered_and_displayed_last_first() {
        let name = DistinguishedName::default()
            .with(Attribute::CommonName, "RustMQ Root CA")
            .unwrap()
            .with(Attribute::Organization, "Your, Org")
            .unwrap()
            .with(Attribute::Country, "de")
            .unwrap();
        assert_eq!(name.to_string(), "CN=RustMQ Root CA,O=Your\\, Org,C=DE");
        let again = name.with(Attribute::Organization, "Org").unwrap();
        assert_eq!(again.to_string(), "CN=RustMQ Root CA,O=Org,C=DE");
    }

    #[test]
    fn values_out_of_bounds() {
        let with = |a, v: &str| DistinguishedName::default().with(a, v).unwrap_err().to_string();
        assert!(with(Attribute::Country, "DEU").contains("ISO 3166"));
        assert!(with(Attribute::Organization, &"x".repeat(65)).contains("at most 64"));
        assert!(with(Attribute::Organization, "  ").contains("empty"));
        assert!(with(Attribute::CommonName, "a\tb").contains("control"));
    }
}
