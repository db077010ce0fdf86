//! Certificates of any names, assembled byte by byte. Their signature is a single zero octet: who
//! reads names does not look at it.

use rustmq_pki::der::tag;
use rustmq_pki::encode::Encoder;
use rustmq_pki::oid;
use rustmq_pki::read::ROLE_URN_PREFIX;

/// A certificate that is being put together.
#[derive(Default)]
pub(crate) struct Draft {
    subject: Vec<(&'static [u8], u8, Vec<u8>)>,
    names: Vec<(u8, Vec<u8>)>,
    roles: Vec<String>,
}

impl Draft {
    pub(crate) fn attribute(mut self, kind: &'static [u8], tag: u8, value: &[u8]) -> Self {
        self.subject.push((kind, tag, value.to_vec()));
        self
    }

    pub(crate) fn cn(self, name: &str) -> Self {
        self.attribute(oid::COMMON_NAME, tag::UTF8_STRING, name.as_bytes())
    }

    pub(crate) fn ou(self, name: &str) -> Self {
        self.attribute(oid::ORGANIZATIONAL_UNIT, tag::UTF8_STRING, name.as_bytes())
    }

    pub(crate) fn email(self, name: &str) -> Self {
        self.name(1, name.as_bytes())
    }

    pub(crate) fn dns(self, name: &str) -> Self {
        self.name(2, name.as_bytes())
    }

    pub(crate) fn uri(self, name: &str) -> Self {
        self.name(6, name.as_bytes())
    }

    pub(crate) fn name(mut self, number: u8, octets: &[u8]) -> Self {
        self.names.push((number, octets.to_vec()));
        self
    }

    pub(crate) fn role(mut self, role: &str) -> Self {
        self.roles.push(format!("{ROLE_URN_PREFIX}{role}"));
        self
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut certificate = Encoder::default();
        certificate.nested(tag::SEQUENCE, |outer| {
            outer.nested(tag::SEQUENCE, |tbs| self.write_tbs(tbs));
            algorithm(outer);
            outer.nested_bit_string(|bits| _ = bits.raw(&[0]));
        });
        certificate.into_bytes()
    }

    fn write_tbs(&self, tbs: &mut Encoder) {
        tbs.nested(tag::context_constructed(0), |version| _ = version.unsigned(&[2]));
        tbs.unsigned(&[1]);
        algorithm(tbs);
        write_name(tbs, &[(oid::COMMON_NAME, tag::UTF8_STRING, b"Another CA".to_vec())]);
        tbs.nested(tag::SEQUENCE, |validity| {
            validity.value(tag::UTC_TIME, b"260101000000Z").value(tag::UTC_TIME, b"270101000000Z");
        });
        write_name(tbs, &self.subject);
        tbs.nested(tag::SEQUENCE, |spki| {
            spki.nested(tag::SEQUENCE, |id| _ = id.oid(oid::ED25519));
            spki.nested_bit_string(|bits| _ = bits.raw(&[7; 32]));
        });
        if !self.names.is_empty() || !self.roles.is_empty() {
            tbs.nested(tag::context_constructed(3), |explicit| {
                explicit.nested(tag::SEQUENCE, |extensions| self.write_extensions(extensions));
            });
        }
    }

    fn write_extensions(&self, extensions: &mut Encoder) {
        if !self.names.is_empty() {
            extension(extensions, oid::SUBJECT_ALT_NAME, |names| {
                for (number, octets) in &self.names {
                    names.value(tag::context(*number), octets);
                }
            });
        }
        if !self.roles.is_empty() {
            extension(extensions, oid::SUBJECT_DIRECTORY_ATTRIBUTES, |attributes| {
                attributes.nested(tag::SEQUENCE, |attribute| {
                    attribute.oid(oid::ROLE).nested(tag::SET, |values| {
                        for role in &self.roles {
                            write_role(values, role);
                        }
                    });
                });
            });
        }
    }
}

fn algorithm(encoder: &mut Encoder) {
    encoder.nested(tag::SEQUENCE, |id| _ = id.oid(oid::ED25519));
}

fn write_role(values: &mut Encoder, uri: &str) {
    values.nested(tag::SEQUENCE, |role| {
        role.nested(tag::context_constructed(1), |name| {
            name.value(tag::context(6), uri.as_bytes());
        });
    });
}

fn write_name(encoder: &mut Encoder, attributes: &[(&'static [u8], u8, Vec<u8>)]) {
    encoder.nested(tag::SEQUENCE, |rdns| {
        for (kind, string, value) in attributes {
            rdns.nested(tag::SET, |rdn| {
                rdn.nested(tag::SEQUENCE, |pair| _ = pair.oid(kind).value(*string, value));
            });
        }
    });
}

fn extension(extensions: &mut Encoder, oid: &[u8], write: impl FnOnce(&mut Encoder)) {
    extensions.nested(tag::SEQUENCE, |extension| {
        extension.oid(oid).nested(tag::OCTET_STRING, |value| {
            value.nested(tag::SEQUENCE, write);
        });
    });
}
