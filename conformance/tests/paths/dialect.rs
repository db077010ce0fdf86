//! Where the others differ from RFC 5280, one row a difference.
//!
//! The model takes a dialect: with every row of a judge it has to give that judge's answer to
//! every question. A disagreement that no row explains fails the test, and so does a row that
//! explains nothing.

use std::collections::BTreeSet;

macro_rules! rules {
    ($($name:ident $judge:ident $reason:literal;)*) => {
        /// A difference.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Rule { $($name,)* }

        impl Rule {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            pub(crate) const fn judge(self) -> Judge {
                match self { $(Self::$name => Judge::$judge,)* }
            }

            pub(crate) const fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason,)* }
            }
        }
    };
}

/// Another implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judge {
    Webpki,
    OpenSsl,
    Certval,
}

rules! {
    WebpkiNoPolicies Webpki "processes no policies at all";
    WebpkiPolicyExtensionsUnknown Webpki "takes a critical policyMappings, policyConstraints or inhibitAnyPolicy for unknown";
    WebpkiNoKeyCertSign Webpki "does not look at keyCertSign of an issuer";
    WebpkiLeafIsNoCa Webpki "refuses a leaf that is a CA, which RFC 5280 6.1 does not";
    WebpkiNoAnyEku Webpki "does not take anyExtendedKeyUsage for the purpose that is asked for";
    WebpkiNoDirectoryConstraints Webpki "refuses every path under a constraint of directory names";
    WebpkiNoUriConstraints Webpki "refuses every URI under a constraint of URIs";
    WebpkiNoEmailConstraints Webpki "refuses every mailbox under a constraint of mailboxes";
    WebpkiAnchorConstraints Webpki "applies the name constraints of an anchor, which is name and key to RFC 5280 6.1.1";
    WebpkiConstraintsOfSelfIssued Webpki "applies name constraints to self-issued intermediates, which RFC 5280 6.1.3 (b) exempts";
    WebpkiCountsSelfIssued Webpki "counts self-issued intermediates for the path length, which RFC 5280 6.1.4 (l) does not";
    WebpkiNamesByOctets Webpki "compares names by their octets, not as RFC 5280 7.1 says";
    WebpkiFirstListOnly Webpki "takes the first list of the issuer's name, whatever else is there";
    WebpkiListsFromTheFuture Webpki "does not look at a list's thisUpdate";
    WebpkiNoDepth Webpki "has no limit of the depth that the caller sets";
    WebpkiListsEndBefore Webpki "takes a list for expired at its nextUpdate, where RFC 5280 6.3.3 (a) says after it";
    WebpkiAnchorMayBeALeaf Webpki "does not see that the certificate of an anchor says it is no CA";
    WebpkiScopedListsUnread Webpki "reads no list whose issuingDistributionPoint has no name";
    CertvalAnchorMayBeALeaf Certval "does not see that the certificate of an anchor says it is no CA";
    CertvalLosesPolicies Certval "finds no policy for some paths with mappings, for which OpenSSL and the model find one";
    CertvalNoAnyEku Certval "does not take anyExtendedKeyUsage for the purpose that is asked for";
    WebpkiFewSignatures Webpki "gives up after 100 signatures, and tries every issuer of a name without regard to key identifiers";
    OpenSslNoBacktracking OpenSsl "follows one issuer of a name and gives up if it was the wrong one";
    OpenSslAkiDecides OpenSsl "takes an issuer whose subjectKeyIdentifier differs from the authorityKeyIdentifier for none, where RFC 5280 4.2.1.1 gives a help in choosing";
    OpenSslAnchorsJudged OpenSsl "judges the certificate of an anchor, of which RFC 5280 6.1.1 takes name and key";
    OpenSslNoAnyEku OpenSsl "does not take anyExtendedKeyUsage for the purpose that is asked for";
    OpenSslDepthCountsSelfIssued OpenSsl "counts self-issued intermediates for the depth";
    OpenSslForgetsMappings OpenSsl "forgets that a policy was mapped where the certificate has it by anyPolicy only and the next one has anyPolicy";
    OpenSslMapsInhibitedAny OpenSsl "takes a mapped policy for one that the certificate has, although its anyPolicy is inhibited";
    OpenSslMappingsWithPolicies OpenSsl "refuses a mapping of anyPolicy in every certificate with certificatePolicies, where RFC 5280 6.1.4 (a) does in every issuer and not in the leaf";
    OpenSslEndsBefore OpenSsl "takes a certificate or a list for expired in its last second, where RFC 5280 4.1.2.5 includes it";
}

/// A set of differences.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialect(BTreeSet<Rule>);

impl Dialect {
    /// RFC 5280 as it stands.
    pub(crate) fn standard() -> Self {
        Self::default()
    }

    /// As a judge has it.
    pub(crate) fn of(judge: Judge) -> Self {
        Self(Rule::ALL.iter().copied().filter(|rule| rule.judge() == judge).collect())
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.0.contains(&rule)
    }

    /// The same without one difference.
    pub(crate) fn without(&self, rule: Rule) -> Self {
        Self(self.0.iter().copied().filter(|other| *other != rule).collect())
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = Rule> {
        self.0.iter().copied()
    }
}
