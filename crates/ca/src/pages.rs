//! Lists page by page: memory is a page, however many certificates and records there are.
//!
//! Each page is read in a transaction of its own, so that whoever reads slowly keeps no old pages of the
//! store alive.

use rustmq_pki::time::UnixTime;

use crate::authority::Authority;
use crate::info::{AuditRecord, CertificateInfo, CertificateStatus};
use crate::query::selection;
use crate::request::{AuditFilter, ListFilter};
use crate::store::{Store, audit, certificates};
use crate::{Error, describe};

/// The rows of a page: some megabytes, and a transaction of some milliseconds.
pub const PAGE_ROWS: usize = 1000;

/// In which order certificates are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListOrder {
    /// As they were issued.
    #[default]
    Issued,
    /// Those that end first at the top.
    Ending,
}

/// The certificates that a filter let through when it was asked, each as it is when its page is read.
/// Beside the page, eight octets are held for each.
pub struct CertificatePages {
    store: Store,
    now: UnixTime,
    status: Option<CertificateStatus>,
    numbers: std::vec::IntoIter<i64>,
}

impl CertificatePages {
    pub(crate) async fn new(
        authority: &Authority,
        filter: ListFilter,
        order: ListOrder,
    ) -> Result<Self, Error> {
        let now = authority.now();
        let selected = authority.store.read(move |connection| {
            let (selection, status) = selection(connection, filter, now)?;
            Ok((certificates::select(connection, &selection, order)?, status))
        });
        let (numbers, status) = selected.await?;
        Ok(Self { store: authority.store.clone(), now, status, numbers: numbers.into_iter() })
    }

    /// The next certificates, at most [`PAGE_ROWS`] and at least one; none after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<CertificateInfo>>, Error> {
        loop {
            let numbers: Vec<i64> = self.numbers.by_ref().take(PAGE_ROWS).collect();
            if numbers.is_empty() {
                return Ok(None);
            }
            let page = self.read(numbers).await?;
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
    }

    async fn read(&self, numbers: Vec<i64>) -> Result<Vec<CertificateInfo>, Error> {
        let (now, status) = (self.now, self.status);
        self.store
            .read(move |connection| {
                let mut page = Vec::with_capacity(numbers.len());
                for number in numbers {
                    let row = certificates::by_number(connection, number)?;
                    let meant =
                        row.filter(|row| status.is_none_or(|status| row.status(now) == status));
                    page.extend(meant.map(|row| describe::certificate(&row, now)));
                }
                Ok(page)
            })
            .await
    }
}

/// The newest audit records that a filter lets through, the oldest of them first, up to the one that was
/// the newest when it was asked. Each row of a slice counts as one.
pub struct AuditPages {
    store: Store,
    filter: AuditFilter,
    next: Option<audit::Place>,
    left: u64,
}

impl AuditPages {
    pub(crate) async fn new(store: &Store, filter: AuditFilter, last: u32) -> Result<Self, Error> {
        let asked = filter.clone();
        let begin = store.read(move |connection| audit::begin_of(connection, &asked, last));
        let (next, left) = begin.await?;
        Ok(Self { store: store.clone(), filter, next, left })
    }

    /// The next records: a page and the rest of its last slice at most, and one at least; none after the
    /// last.
    pub async fn next(&mut self) -> Result<Option<Vec<AuditRecord>>, Error> {
        let Some(place) = self.next.take_if(|_| self.left > 0) else { return Ok(None) };
        let filter = self.filter.clone();
        let read = self
            .store
            .read(move |connection| audit::page(connection, place, &filter, PAGE_ROWS))
            .await;
        let (mut page, next) = read?;
        page.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        (self.next, self.left) = (next, self.left - page.len() as u64);
        Ok((!page.is_empty()).then_some(page))
    }
}
