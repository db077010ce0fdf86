//! The programs that people issue certificates with today, on the same work: a P-256 key and a
//! certificate for one DNS name, both written to files. User and system time of all that they start.

use std::path::Path;

use crate::measure::{Table, Target, cpu_of_script};

/// Certificates of each peer: a program's start is most of the time, so that more tell no more.
const CERTIFICATES: u32 = 100;

/// What every script finds in its folder: the CA, and functions for what they have in common.
const PREPARE: &str = r#"
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=Bench Root CA' \
    -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem 2>/dev/null
mkdir new; : >index.txt; echo 1000 >serial
cat >ca.cnf <<'END'
[ca]
default_ca = root
[root]
dir = .
database = index.txt
new_certs_dir = new
serial = serial
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 20
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
END
cat >csr.json <<'END'
{"CN": "broker.example", "hosts": ["broker.example"], "key": {"algo": "ecdsa", "size": 256}}
END
cat >template <<'END'
cn = broker.example
dns_name = broker.example
expiration_days = 20
END
"#;

/// Name, and what issues the certificate `c$i.pem` with the key `k$i.pem`.
const PEERS: [(&str, &str); 4] = [
    (
        "  peer: openssl req and openssl ca",
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k$i.pem \
         -subj /CN=broker.example -addext subjectAltName=DNS:broker.example -out r$i.pem 2>/dev/null\n\
         openssl ca -batch -notext -config ca.cnf -in r$i.pem -out c$i.pem 2>/dev/null",
    ),
    (
        "  peer: openssl req -CA",
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -CA ca.pem -CAkey ca.key \
         -days 20 -keyout k$i.pem -subj /CN=broker.example -addext subjectAltName=DNS:broker.example \
         -out c$i.pem 2>/dev/null",
    ),
    (
        "  peer: certtool",
        "certtool --generate-privkey --key-type ecdsa --curve secp256r1 --outfile k$i.pem 2>/dev/null\n\
         certtool --generate-certificate --load-privkey k$i.pem --load-ca-certificate ca.pem \
         --load-ca-privkey ca.key --template template --outfile c$i.pem 2>/dev/null",
    ),
    (
        "  peer: cfssl gencert",
        "cfssl gencert -loglevel 5 -ca ca.pem -ca-key ca.key csr.json >c$i.json\n\
         cfssljson -f c$i.json -bare c$i && mv c$i-key.pem k$i.pem",
    ),
];

/// Adds a row for each peer that is here and whose certificates `openssl verify` accepts.
pub(crate) fn run(table: &mut Table, raw: f64) {
    for (name, issue) in PEERS {
        let folder = tempfile::tempdir().unwrap();
        if cpu_of_script(PREPARE, folder.path()).is_none() {
            return;
        }
        let script =
            format!("set -e\nfor i in $(seq {CERTIFICATES}); do\n{issue}\ntest -s k$i.pem\ndone");
        let Some(seconds) = cpu_of_script(&script, folder.path()) else { continue };
        assert!(are_verified(folder.path()), "{name}: what it issued does not verify");
        let each = seconds * 1e6 / f64::from(CERTIFICATES);
        let detail = format!("raw keygen + sign {raw:.1} us / {each:.0} us");
        table.add(name, raw / each, detail, Target::Peer);
        table.plot(name, each);
    }
}

fn are_verified(folder: &Path) -> bool {
    let script = format!(
        "test \"$(openssl verify -CAfile ca.pem c[0-9]*.pem | grep -c ': OK$')\" = {CERTIFICATES}"
    );
    cpu_of_script(&script, folder).is_some()
}
