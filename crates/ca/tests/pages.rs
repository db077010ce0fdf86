//! Lists page by page: what they hold together, in which order, and how much at a time.

use rustmq_ca::batch::{BatchRequest, BatchRow, RowKey};
use rustmq_ca::{
    AuditFilter, AuditRecord, CertificateInfo, CertificateRole, CertificateStatus, Execution,
    ListFilter, ListOrder, PAGE_ROWS, RevokeRequest,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::name::Principal;
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_testkit::{TestCa, new_key};

const SLICE: usize = 500;

/// Two pages and a half, in slices; the later in a slice, the sooner it ends.
async fn filled() -> TestCa {
    let ca = TestCa::with_hierarchy().await;
    let request = BatchRequest {
        ca: "prod_ca_1".to_owned(),
        role: Some(Role::Client),
        profile: None,
        job: "job".to_owned(),
        execution: Execution::Commit,
    };
    let batch = ca.manager.batch(request).await.expect("a batch");
    let row = |row: usize| BatchRow {
        row: row as u64,
        principal: Some(Principal::parse(&format!("client-{row}")).expect("a principal")),
        role: None,
        profile: None,
        sans: Vec::new(),
        validity: Validity::Days(30 - ((row % SLICE / 20) as u64).cast_signed()),
        subject: RowKey::PublicKey(new_key()),
    };
    for slice in 0..5 {
        let rows = (slice * SLICE..(slice + 1) * SLICE).map(row).collect();
        batch.issue_slice(slice as u64, rows).await.expect("a slice");
    }
    ca
}

async fn listed(ca: &TestCa, filter: ListFilter, order: ListOrder) -> Vec<CertificateInfo> {
    let mut pages = ca.manager.list_pages(filter, order).await.expect("pages");
    let mut all = Vec::new();
    while let Some(page) = pages.next().await.expect("a page") {
        assert!((1..=PAGE_ROWS).contains(&page.len()), "{} at once", page.len());
        all.extend(page);
    }
    all
}

async fn recorded(ca: &TestCa, filter: AuditFilter, last: u32) -> Vec<AuditRecord> {
    let mut pages = ca.manager.audit_pages(filter, last).await.expect("pages");
    let mut all = Vec::new();
    while let Some(page) = pages.next().await.expect("a page") {
        assert!((1..PAGE_ROWS + SLICE).contains(&page.len()), "{} at once", page.len());
        all.extend(page);
    }
    all
}

#[tokio::test]
async fn certificates_come_in_pages_that_together_are_the_list() {
    let ca = filled().await;
    let request = RevokeRequest {
        certificate: "cert-1200".to_owned(),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    ca.manager.revoke_certificate(request).await.expect("revoked");
    let filters = [
        ListFilter::default(),
        ListFilter { ca: Some("prod_ca_1".to_owned()), ..ListFilter::default() },
        ListFilter { role: Some(CertificateRole::Client), ..ListFilter::default() },
        ListFilter { principal: Some("client-1".to_owned()), ..ListFilter::default() },
        ListFilter { principal: Some("nobody".to_owned()), ..ListFilter::default() },
        ListFilter { status: Some(CertificateStatus::Superseded), ..ListFilter::default() },
        ListFilter { status: Some(CertificateStatus::Expired), ..ListFilter::default() },
        ListFilter { expiring_within_days: Some(20), ..ListFilter::default() },
    ];
    for filter in filters {
        let all = ca.manager.list(filter.clone()).await.expect("a list");
        assert_eq!(listed(&ca, filter.clone(), ListOrder::Issued).await, all, "{filter:?}");
        let mut ending = all;
        ending.sort_by_key(|info| info.not_after);
        assert_eq!(listed(&ca, filter.clone(), ListOrder::Ending).await, ending, "{filter:?}");
    }
}

#[tokio::test]
async fn audit_records_come_in_pages_that_together_are_the_list() {
    let ca = filled().await;
    let all = ca.manager.audit_list(u32::MAX).await.expect("records");
    for last in [0, 1, 499, 2400, u32::MAX] {
        let found = recorded(&ca, AuditFilter::default(), last).await;
        let from = all.len().saturating_sub(last as usize);
        assert_eq!(found, all[from..], "the last {last}");
    }
    let of = |principal: &str| AuditFilter {
        principal: Some(principal.to_owned()),
        ..AuditFilter::default()
    };
    let about: Vec<_> =
        all.iter().filter(|r| r.principal.as_deref() == Some("client-700")).cloned().collect();
    assert_eq!(about.len(), 2);
    assert_eq!(recorded(&ca, of("client-700"), 100).await, about);
    assert_eq!(recorded(&ca, of("client-700"), 1).await, about[1..]);
    assert!(recorded(&ca, of("nobody"), 100).await.is_empty());
    let by_root = AuditFilter { ca_id: Some("root_ca_1".to_owned()), ..AuditFilter::default() };
    let of_root = all.iter().filter(|r| r.ca_id.as_deref() == Some("root_ca_1")).count();
    assert_eq!(recorded(&ca, by_root, u32::MAX).await.len(), of_root);
}
