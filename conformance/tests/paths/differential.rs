//! The engine, a model of the standard, rustls-webpki and OpenSSL, on the same hierarchies.

use std::collections::BTreeMap;
use std::fmt::Write;

use rustmq_conformance::{skip, tell};

use crate::case::Case;
use crate::dialect::{Dialect, Judge, Rule};
use crate::generate;
use crate::model::{self, Answer};
use crate::oracle::{Verdict, certval, engine, openssl, webpki};
use crate::world::{Cert, World};

/// How many hierarchies are made up; `RUSTMQ_PATHS_CASES` asks for another number.
const CASES: u64 = 5_000;

/// The first seed; `RUSTMQ_PATHS_SEED` asks for another one, which replays a case.
const SEED: u64 = 1;

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn worlds() -> Vec<(World, Case)> {
    let seed = from_environment("RUSTMQ_PATHS_SEED", SEED);
    let count = from_environment("RUSTMQ_PATHS_CASES", CASES);
    (seed..seed + count)
        .map(|seed| {
            let world = generate::world(seed);
            let case = world.case();
            (world, case)
        })
        .collect()
}

/// What went wrong, and the first few cases of it.
#[derive(Default)]
struct Failures(BTreeMap<String, (usize, String)>);

impl Failures {
    fn add(&mut self, kind: String, (world, case): (&World, &Case), dialect: &Dialect) {
        let detail = model::explain(world, dialect);
        let (count, _) = self.0.entry(kind).or_insert_with(|| {
            let folder = case.dump();
            std::fs::write(folder.join("world.txt"), format!("{world:#?}\n"))
                .expect("the temporary folder is writable");
            (0, format!("{}, see {}\n{detail}", case.id, folder.display()))
        });
        *count += 1;
    }

    fn report(&self, table: &str) {
        let lines = self.0.iter().map(|(kind, (n, first))| format!("{n} x {kind}\n  {first}\n"));
        assert!(self.0.is_empty(), "\n{table}{}", lines.collect::<String>());
    }
}

#[test]
fn the_engine_says_what_the_standard_says() {
    let mut failures = Failures::default();
    let mut tally = BTreeMap::<String, usize>::new();
    for (world, case) in worlds() {
        let expected = model::judge(&world, &Dialect::standard());
        let found = engine::ask(&case);
        *tally.entry(format!("{expected:?}")).or_default() += 1;
        let agreed = match (&expected, &found) {
            (Answer::Open(_), _) => true,
            (Answer::Valid, found) => found.is_valid(),
            (Answer::Refused(_), found) => !found.is_valid(),
        };
        if !agreed {
            let kind = format!("model {expected:?}, engine {found:?}");
            failures.add(kind, (&world, &case), &Dialect::standard());
        }
    }
    failures.report(&format!("{tally:#?}\n"));
    assert_variety(&tally);
}

/// A generator that makes only refusals, or only open cases, proves nothing.
fn assert_variety(tally: &BTreeMap<String, usize>) {
    let total: usize = tally.values().sum();
    if total < 1_000 {
        return;
    }
    let share = |key: &str| {
        tally.iter().filter(|(kind, _)| kind.starts_with(key)).map(|(_, n)| n).sum::<usize>()
    };
    assert!(share("Valid") * 4 > total, "fewer than a quarter of the cases are valid");
    assert!(share("Refused") * 4 > total, "fewer than a quarter of the cases are refused");
    assert!(share("Open") * 20 < total, "more than one case in twenty is left open");
    assert!(tally.len() > 15, "fewer than 15 reasons occur");
}

/// Compares a judge with the model in its dialect. Every rule of it has to explain something.
fn compare(judge: Judge, answers: &[(World, Case, Verdict)]) {
    let dialect = Dialect::of(judge);
    let mut failures = Failures::default();
    let mut used = BTreeMap::<Rule, usize>::new();
    for (world, case, verdict) in answers {
        let expected = model::judge(world, &dialect);
        if explained(world, &dialect, &expected, verdict) {
            note_rules(world, &dialect, verdict, &mut used);
        } else {
            let kind = format!("model {expected:?}, {judge:?} {verdict:?}");
            failures.add(kind, (world, case), &dialect);
        }
    }
    let mut table = String::new();
    for (rule, count) in &used {
        writeln!(table, "{count:6} x {rule:?}: {judge:?} {}", rule.reason()).expect("to a String");
    }
    failures.report(&table);
    let idle: Vec<_> = dialect.rules().filter(|rule| !used.contains_key(rule)).collect();
    let full = from_environment("RUSTMQ_PATHS_CASES", CASES) >= CASES;
    assert!(idle.is_empty() || !full, "rules that explain nothing: {idle:?}");
}

fn explained(world: &World, dialect: &Dialect, expected: &Answer, verdict: &Verdict) -> bool {
    match expected {
        Answer::Open(_) => true,
        Answer::Refused(_) => !verdict.is_valid(),
        Answer::Valid => verdict.is_valid() || missed(world, dialect, verdict),
    }
}

/// Whether a judge refuses for a reason that the model does not follow: it may have followed the
/// wrong issuer and given up, spent its budget, or lost a policy.
fn missed(world: &World, dialect: &Dialect, verdict: &Verdict) -> bool {
    let budget = Verdict::Refused("MaximumSignatureChecksExceeded".to_owned());
    let no_policy = matches!(verdict, Verdict::Refused(why) if why.contains("NullPolicySet"));
    let maps = world.certificates.iter().any(|cert| !cert.policies.mappings.is_empty());
    (dialect.has(Rule::OpenSslNoBacktracking) && model::is_ambiguous(world, dialect))
        || (dialect.has(Rule::WebpkiFewSignatures) && *verdict == budget)
        || (dialect.has(Rule::CertvalLosesPolicies) && no_policy && maps)
}

/// Counts the rules without which the judge's answer would not be the model's.
fn note_rules(
    world: &World,
    dialect: &Dialect,
    verdict: &Verdict,
    used: &mut BTreeMap<Rule, usize>,
) {
    if agrees(&model::judge(world, &Dialect::standard()), verdict) {
        return;
    }
    for rule in dialect.rules() {
        let other = dialect.without(rule);
        if !explained(world, &other, &model::judge(world, &other), verdict) {
            *used.entry(rule).or_default() += 1;
        }
    }
}

fn agrees(expected: &Answer, verdict: &Verdict) -> bool {
    match expected {
        Answer::Open(_) => true,
        Answer::Refused(_) => !verdict.is_valid(),
        Answer::Valid => verdict.is_valid(),
    }
}

#[test]
fn webpki_differs_from_the_standard_by_rule() {
    let answers: Vec<_> = worlds()
        .into_iter()
        .filter_map(|(world, case)| webpki::ask(&case).map(|verdict| (world, case, verdict)))
        .collect();
    compare(Judge::Webpki, &answers);
}

#[test]
fn openssl_differs_from_the_standard_by_rule() {
    let worlds = worlds();
    let cases: Vec<_> = worlds.iter().map(|(_, case)| case.clone()).collect();
    let Some(verdicts) = openssl::ask(&cases) else {
        skip("libssl-dev");
        return;
    };
    let answers: Vec<_> =
        worlds.into_iter().zip(verdicts).map(|((w, case), verdict)| (w, case, verdict)).collect();
    compare(Judge::OpenSsl, &answers);
}

#[test]
fn certval_differs_from_the_standard_by_rule() {
    let (worlds, cases): (Vec<_>, Vec<_>) =
        worlds().into_iter().filter(|(world, _)| is_for_certval(world)).unzip();
    let Some(verdicts) = certval::ask(&cases) else {
        tell("skipped certval_differs_from_the_standard_by_rule: certval cannot be built here");
        return;
    };
    let all = worlds.into_iter().zip(cases).zip(verdicts);
    let answers: Vec<_> =
        all.filter_map(|((w, case), verdict)| verdict.map(|verdict| (w, case, verdict))).collect();
    compare(Judge::Certval, &answers);
}

/// certval matches no names and sets no depth, its revocation is not asked, and it is a pre-release
/// whose name constraints go wrong in ways of their own: what is left is paths and policies.
fn is_for_certval(world: &World) -> bool {
    let question = &world.question;
    let constrained = |cert: &Cert| !cert.constraints.is_empty();
    question.names.is_empty()
        && !question.revocation
        && question.max_depth.is_none()
        && !world.certificates.iter().chain(&world.anchors).any(constrained)
}
