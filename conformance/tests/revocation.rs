//! Revocations of the product, honoured by programs that know nothing of it.

use rustmq_conformance::{Chain, Issued, Judge, Product, Purpose, SampleKey, Verdict, require};

/// A hierarchy with two clients, of which one will fall.
struct Case {
    product: Product,
    key: SampleKey,
    fallen: Issued,
    other: Issued,
}

impl Case {
    fn set_up(key: SampleKey) -> Self {
        let product = Product::with_hierarchy(key);
        Self {
            fallen: product.issue("client@company.com", "client", key, &[]),
            other: product.issue("other@company.com", "client", key, &[]),
            product,
            key,
        }
    }

    /// The client's chain with the lists of this moment.
    fn chain(&self, issued: &Issued) -> Chain {
        let crls = vec![self.product.list_of("root_ca_1"), self.product.list_of("prod_ca_1")];
        Chain { crls, ..issued.chain(Purpose::Client) }
    }

    /// Asserts what every judge at hand says of the two clients.
    fn expect(&self, fallen_is_accepted: bool, other_is_accepted: bool, when: &str) {
        let fallen = self.chain(&self.fallen);
        let other = self.chain(&self.other);
        for judge in Judge::OF_PATHS.into_iter().filter(|judge| judge.knows(self.key)) {
            if !require(judge) {
                continue;
            }
            let accepts = |chain: &Chain| judge.verify(chain) == Verdict::Accepted;
            assert_eq!(accepts(&fallen), fallen_is_accepted, "{judge:?} {when}");
            assert_eq!(accepts(&other), other_is_accepted, "{judge:?} on the other, {when}");
        }
    }

    fn lists_are_clean(&self) {
        if require(Judge::Pkilint) {
            for ca in ["root_ca_1", "prod_ca_1"] {
                let list = self.product.list_of(ca);
                assert_eq!(rustmq_conformance::pkilint::lint_list(&list), [], "{ca}");
            }
        }
    }
}

fn revocation_is_honoured(key: SampleKey) {
    let case = Case::set_up(key);
    case.expect(true, true, "before");
    case.product.ok(["certs", "revoke", &case.fallen.id, "--reason", "key-compromise"]);
    case.expect(false, true, "after the revocation");
    case.lists_are_clean();
}

#[test]
fn a_revoked_client_is_refused() {
    revocation_is_honoured(SampleKey::P256);
}

#[test]
fn a_revoked_ed25519_client_is_refused() {
    revocation_is_honoured(SampleKey::Ed25519);
}

#[test]
fn a_revoked_rsa_client_is_refused() {
    revocation_is_honoured(SampleKey::Rsa2048);
}

#[test]
fn a_revoked_ml_dsa_client_is_refused() {
    revocation_is_honoured(SampleKey::MlDsa65);
}

#[test]
fn a_serial_number_names_the_certificate_too() {
    let case = Case::set_up(SampleKey::P256);
    case.product.ok(["certs", "revoke", &case.fallen.serial, "--reason", "keyCompromise"]);
    case.expect(false, true, "after the revocation by serial number");
}

#[test]
fn a_held_client_is_refused_until_it_is_released() {
    let case = Case::set_up(SampleKey::P256);
    case.product.ok(["certs", "revoke", &case.fallen.id, "--reason", "certificate-hold"]);
    case.expect(false, true, "while held");
    case.lists_are_clean();
    case.product.ok(["certs", "unrevoke", &case.fallen.id]);
    case.expect(true, true, "after the release");
}

#[test]
fn a_revoked_intermediate_takes_its_clients_along() {
    let case = Case::set_up(SampleKey::P256);
    case.product.ok(["ca", "revoke", "--ca-id", "prod_ca_1", "--reason", "ca-compromise"]);
    case.expect(false, false, "after the revocation of their CA");
    case.lists_are_clean();
}
