//! Asks certval's RFC 5280 validation about many cases.
//!
//! Standard input holds lines of `key value` from `case ID` to `run`; binary values are hexadecimal.
//! Each case is answered by one line: `ID valid`, `ID refused WHY`, or `ID skipped WHY` where it
//! cannot be asked: certval matches no names of a leaf, and its revocation is not asked here.
//!
//! Paths are enumerated here, by name, and each is validated by certval: its own builder wants a
//! store that was prepared beforehand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};

use certval::{
    CertificationPath, CertificationPathResults, CertificationPathSettings, PDVCertificate,
    PDVTrustAnchorChoice, PkiEnvironment, TimeOfInterest, compare_names, validate_path_rfc5280,
};

/// How many paths of one case are validated at most.
const MAX_PATHS: usize = 500;

/// The values of each key of a case.
type Case = BTreeMap<String, Vec<String>>;

fn main() -> io::Result<()> {
    let mut environment = PkiEnvironment::new();
    environment.populate_5280_pki_environment();
    let mut case = Case::new();
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line == "run" {
            let id = first(&case, "case").unwrap_or_default();
            writeln!(output, "{id} {}", answer(&environment, &case))?;
            case.clear();
        } else if let Some((key, value)) = line.split_once(' ') {
            case.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    Ok(())
}

fn all<'c>(case: &'c Case, key: &str) -> &'c [String] {
    case.get(key).map_or(&[], Vec::as_slice)
}

fn first<'c>(case: &'c Case, key: &str) -> Option<&'c str> {
    all(case, key).first().map(String::as_str)
}

fn has_flag(case: &Case, flag: &str) -> bool {
    all(case, "flag").iter().any(|set| set == flag)
}

fn answer(environment: &PkiEnvironment, case: &Case) -> String {
    let unasked = ["host", "ip", "email", "depth"].iter().find(|key| !all(case, key).is_empty());
    if let Some(key) = unasked {
        return format!("skipped {key}");
    }
    if has_flag(case, "crls") {
        return "skipped revocation".to_owned();
    }
    match validate(environment, case) {
        Ok(()) => "valid".to_owned(),
        Err(why) => format!("refused {}", why.replace('\n', " ")),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let octet = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or(0);
    (0..text.len() / 2).map(|at| octet(at * 2)).collect()
}

fn read<T: for<'a> TryFrom<&'a [u8]>>(case: &Case, key: &str) -> Vec<T> {
    all(case, key).iter().filter_map(|hex| T::try_from(&unhex(hex)).ok()).collect()
}

fn settings(case: &Case) -> CertificationPathSettings {
    let mut settings = CertificationPathSettings::new();
    let at = first(case, "at").and_then(|at| at.parse().ok()).unwrap_or(0);
    if let Ok(time) = TimeOfInterest::from_unix_secs(at) {
        settings.set_time_of_interest(time);
    }
    settings.set_require_ta_store(false);
    settings.set_enforce_trust_anchor_constraints(false);
    settings.set_enforce_trust_anchor_validity(false);
    settings.set_initial_explicit_policy_indicator(has_flag(case, "explicit"));
    settings.set_initial_policy_mapping_inhibit_indicator(has_flag(case, "nomap"));
    settings.set_initial_inhibit_any_policy_indicator(has_flag(case, "noany"));
    let policies = all(case, "policy");
    if !policies.is_empty() {
        settings.set_initial_policy_set(policies.to_vec());
    }
    let purpose = match first(case, "purpose") {
        Some("server") => Some("1.3.6.1.5.5.7.3.1"),
        Some("client") => Some("1.3.6.1.5.5.7.3.2"),
        _ => None,
    };
    if let Some(purpose) = purpose {
        settings.set_extended_key_usage(BTreeSet::from([purpose.to_owned()]).into_iter().collect());
        settings.set_extended_key_usage_path(true);
    }
    settings
}

fn validate(environment: &PkiEnvironment, case: &Case) -> Result<(), String> {
    let leaf: Vec<PDVCertificate> = read(case, "leaf");
    let leaf = leaf.first().ok_or("unreadable")?;
    let intermediates: Vec<PDVCertificate> = read(case, "inter");
    let anchors: Vec<PDVTrustAnchorChoice> = read(case, "anchor");
    let settings = settings(case);
    let mut paths = Vec::new();
    enumerate(&anchors, &intermediates, &mut vec![leaf], &mut paths);
    let mut why = "no path leads to an anchor".to_owned();
    for (anchor, up) in paths {
        let chain = up[1..].iter().rev().map(|held| (*held).clone()).collect();
        let path = CertificationPath::new(anchor.clone(), chain, leaf.clone());
        let mut results = CertificationPathResults::new();
        match validate_path_rfc5280(environment, &settings, &path, &mut results) {
            Ok(()) => return Ok(()),
            Err(error) => why = format!("{error:?}"),
        }
    }
    Err(why)
}

/// Every chain of names from the leaf to an anchor in which no name and key occurs twice.
fn enumerate<'c>(
    anchors: &'c [PDVTrustAnchorChoice],
    intermediates: &'c [PDVCertificate],
    up: &mut Vec<&'c PDVCertificate>,
    found: &mut Vec<(&'c PDVTrustAnchorChoice, Vec<&'c PDVCertificate>)>,
) {
    let Some(top) = up.last().copied() else { return };
    let issuer = top.decoded().tbs_certificate().issuer();
    for anchor in anchors {
        let name = certval::get_trust_anchor_name(anchor.decoded());
        if name.is_ok_and(|name| compare_names(name, issuer)) {
            found.push((anchor, up.clone()));
        }
    }
    for next in intermediates {
        let tbs = next.decoded().tbs_certificate();
        let again = up.iter().any(|held| {
            let held = held.decoded().tbs_certificate();
            held.subject() == tbs.subject()
                && held.subject_public_key_info() == tbs.subject_public_key_info()
        });
        if found.len() < MAX_PATHS && !again && compare_names(tbs.subject(), issuer) {
            up.push(next);
            enumerate(anchors, intermediates, up, found);
            up.pop();
        }
    }
}
