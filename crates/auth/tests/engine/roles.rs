//! Roles where several authorities are trusted: names are anyone's, keys are not.

use crate::issue::{Holder, Spec, now, role};
use rustls_pki_types::CertificateDer;
use rustmq_auth::principal::{CaKey, Condition, ExtensionTrust, RolePolicy, RoleRule};
use rustmq_auth::{AuthPolicy, AuthenticationManager, MtlsPolicy, Trust};
use rustmq_pki::role::Role;

/// An authority of our own and one of the enterprise, the intermediate of which took our CA's name.
struct World {
    own_root: Vec<u8>,
    enterprise_root: Vec<u8>,
    crls: Vec<Vec<u8>>,
    /// The chain of a peer that our own CA calls an admin.
    own: Vec<CertificateDer<'static>>,
    /// The chain of one that the enterprise's CA calls an admin.
    foreign: Vec<CertificateDer<'static>>,
}

impl World {
    fn new() -> Self {
        let mut crls = Vec::new();
        let mut chain = |root: &Holder| {
            let ca = Holder::new("Our CA");
            let lists =
                [root, &ca].map(|ca| ca.crl(1, now().plus_days(-2), now().plus_days(2), &[]));
            crls.extend(lists);
            let leaf = Spec::leaf("ops.example").with(role("admin"));
            let leaf = ca.issue(&Holder::new("ops"), &leaf);
            [leaf, root.issue(&ca, &Spec::ca())].map(CertificateDer::from).to_vec()
        };
        let [ours, enterprise] = ["Our Root", "Enterprise Root"].map(Holder::new);
        let (own, foreign) = (chain(&ours), chain(&enterprise));
        Self {
            own_root: ours.self_signed(),
            enterprise_root: enterprise.self_signed(),
            crls,
            own,
            foreign,
        }
    }

    /// Both authorities, told apart as they are given.
    fn trust(&self, roles: RolePolicy) -> Trust {
        Trust {
            anchors: vec![self.own_root.clone()],
            other_anchors: vec![self.enterprise_root.clone()],
            crls: self.crls.clone(),
            policy: policy(roles),
            ..Trust::default()
        }
    }
}

fn policy(roles: RolePolicy) -> AuthPolicy {
    AuthPolicy { mtls: MtlsPolicy { roles, ..MtlsPolicy::default() }, ..AuthPolicy::default() }
}

/// The role of a peer, or why it has none.
fn role_under(trust: &Trust, chain: &[CertificateDer<'_>]) -> Result<Role, &'static str> {
    let manager = AuthenticationManager::new(trust, now()).unwrap();
    let answer = manager.authenticate(chain, now());
    let checked = manager.validate_certificate_chain(chain, now());
    assert_eq!(answer.is_ok(), checked.is_ok(), "the handshake and the connection agree");
    answer.map(|peer| peer.role).map_err(|refusal| refusal.rule.code())
}

#[test]
fn every_ca_below_our_own_anchors_may_name_roles() {
    let world = World::new();
    let other_root = world.enterprise_root.clone();
    let trust = Trust {
        anchors: vec![world.own_root.clone(), other_root],
        other_anchors: Vec::new(),
        ..world.trust(RolePolicy::default())
    };
    assert_eq!(role_under(&trust, &world.own), Ok(Role::Admin));
    assert_eq!(role_under(&trust, &world.foreign), Ok(Role::Admin), "two roots of our own");
}

#[test]
fn what_another_authority_says_of_a_role_is_not_believed() {
    let world = World::new();
    let trust = world.trust(RolePolicy::default());
    assert_eq!(role_under(&trust, &world.own), Ok(Role::Admin));
    assert_eq!(role_under(&trust, &world.foreign), Err("role_missing"), "whatever it is called");
    let alone = Trust { anchors: Vec::new(), ..trust };
    assert_eq!(role_under(&alone, &world.foreign), Err("role_missing"));
}

#[test]
fn another_authority_s_certificates_get_a_role_by_a_rule_for_its_key() {
    let world = World::new();
    let key = CaKey::of_certificate(&world.enterprise_root).unwrap();
    let rule = RoleRule::new(Role::Client, key).and(Condition::san_dns("*.example").unwrap());
    let trust = world.trust(RolePolicy { rules: vec![rule], ..RolePolicy::default() });
    assert_eq!(role_under(&trust, &world.foreign), Ok(Role::Client));
    assert_eq!(role_under(&trust, &world.own), Ok(Role::Admin));
}

#[test]
fn a_policy_may_name_the_one_ca_that_is_believed() {
    let world = World::new();
    let below = |ca: &CertificateDer<'_>| {
        let extension = ExtensionTrust::Below(vec![CaKey::of_certificate(ca).unwrap()]);
        world.trust(RolePolicy { extension, ..RolePolicy::default() })
    };
    let trust = below(&world.own[1]);
    assert_eq!(role_under(&trust, &world.own), Ok(Role::Admin));
    assert_eq!(role_under(&trust, &world.foreign), Err("role_missing"));
    let trust = below(&world.foreign[1]);
    assert_eq!(role_under(&trust, &world.own), Err("role_missing"), "even below our own anchor");
}
