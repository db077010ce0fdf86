#!/bin/bash
# The main job from nothing: a hierarchy, certificates, OpenSSL's strict verdict on each, mutual TLS
# between two of them, and a revocation that OpenSSL honours. Every command is printed before it runs,
# every result is checked, and any surprise ends the script with an error.
#
# Everything lies in a temporary folder that is gone afterwards. DEMO_BIN names a folder with a
# rustmq-admin that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${DEMO_BIN:-}" ]; then
    echo "Building rustmq-admin; the first time this takes a few minutes."
    cargo build --locked --package rustmq-admin
    DEMO_BIN=${CARGO_TARGET_DIR:-$PWD/target}/debug
fi
export PATH="$DEMO_BIN:$PATH"

work=$(mktemp -d)
server=''
clean_up() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT
cd "$work"

export RUSTMQ_DATA_DIR=$work/data
umask 077
openssl rand -hex 16 >passphrase
bold='' plain=''
if [ -t 1 ]; then
    bold=$'\e[1m' plain=$'\e[0m'
fi

title() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }

# Prints a command as it would be typed.
show() {
    local word
    printf '%s$' "$bold"
    for word in "$@"; do
        [[ $word =~ ^[A-Za-z0-9_@%+=:,./\&-]+$ ]] || word=${word@Q}
        printf ' %s' "$word"
    done
    printf '%s\n' "$plain"
}

# Runs a command that has to succeed.
try() {
    show "$@"
    "$@"
}

surprise() {
    echo "demo: unexpected: $*" >&2
    exit 1
}

admin() { try rustmq-admin --passphrase-file passphrase "$@"; }

# OpenSSL's strict verdict on an issued certificate, with the revocation lists of its whole chain.
# Arguments: folder, list of the issuing CA and root, purpose and further checks.
verify() {
    local folder=$1 lists=$2
    shift 2
    set -- openssl verify -x509_strict -no-CApath -no-CAstore -CAfile "$folder/root.crt" \
        -untrusted "$folder/ca.crt" -crl_check_all -CRLfile "$lists" "$@" "$folder/tls.crt"
    show "$@"
    "$@" 2>&1
}

accepted() {
    local verdict
    verdict=$(verify "$@") || surprise "OpenSSL refused: $verdict"
    echo "$verdict"
    [[ $verdict == *"$1/tls.crt: OK"* ]] || surprise "no OK from OpenSSL"
}

refused_as_revoked() {
    local verdict
    if verdict=$(verify "$@"); then
        surprise "OpenSSL accepted a revoked certificate: $verdict"
    fi
    echo "$verdict"
    [[ $verdict == *"certificate revoked"* ]] || surprise "refused, but not as revoked"
}

title "A root, and an intermediate signed by it"
admin ca init --cn "RustMQ Root CA" --org "YourOrg"
admin ca intermediate --parent-ca root_ca_1 --cn "Production CA"

title "Certificates for a broker, an application and an administrator"
admin certs issue --principal broker-01 --role broker --ca-id prod_ca_1
admin certs issue --principal client@company.com --role client --ca-id prod_ca_1
admin certs issue --principal ops-admin --role admin --ca-id prod_ca_1
for folder in broker-01 client@company.com ops-admin; do
    for file in tls.crt tls.key ca.crt root.crt crl.pem; do
        [ -s "$folder/$file" ] || surprise "$folder/$file is missing"
    done
    [ "$(stat -c %a "$folder/tls.key")" = 600 ] || surprise "$folder/tls.key is readable by others"
done

title "OpenSSL's strict verdict on every chain"
accepted broker-01 broker-01/crl.pem -purpose sslserver -verify_hostname broker-01
accepted broker-01 broker-01/crl.pem -purpose sslclient
accepted client@company.com client@company.com/crl.pem -purpose sslclient \
    -verify_email client@company.com
accepted ops-admin ops-admin/crl.pem -purpose sslclient
try openssl x509 -in client@company.com/tls.crt -noout -issuer -subject

title "Mutual TLS between the broker and the application"
# The server answers each line with its letters reversed, so an answer proves that data flowed in
# both directions after both sides had verified each other.
serve=(openssl s_server -accept 127.0.0.1:0 -rev -Verify 4 -verify_return_error
    -CAfile broker-01/root.crt -cert broker-01/tls.crt -key broker-01/tls.key
    -cert_chain broker-01/ca.crt)
show "${serve[@]}" '&'
"${serve[@]}" </dev/null >server.log 2>&1 &
server=$!
port=''
for _ in $(seq 100); do
    port=$(sed -n 's/^ACCEPT 127\.0\.0\.1:\([0-9]*\)$/\1/p' server.log)
    [ -z "$port" ] || break
    kill -0 "$server" 2>/dev/null || surprise "s_server ended: $(cat server.log)"
    sleep 0.1
done
[ -n "$port" ] || surprise "s_server did not listen: $(cat server.log)"

# Says hello to the broker with the flags given, and prints what comes back.
hello() {
    set -- openssl s_client -quiet -connect "127.0.0.1:$port" -servername broker-01 \
        -verify_hostname broker-01 -verify_return_error -CAfile client@company.com/root.crt "$@"
    show "$@"
    printf 'hello broker\nCLOSE\n' | timeout 30 "$@" 2>client.log
}
identity=(-cert client@company.com/tls.crt -key client@company.com/tls.key
    -cert_chain client@company.com/ca.crt)

answer=$(hello "${identity[@]}") || surprise "no mutual TLS: $(cat client.log server.log)"
echo "$answer"
[[ $answer == *"rekorb olleh"* ]] || surprise "no answer from the broker: $(cat server.log)"
grep 'client@company.com' server.log || surprise "the broker does not know its client"

echo "The same without a certificate:"
answer=$(hello || true)
echo "$answer"
[[ $answer != *"rekorb olleh"* ]] || surprise "the broker served a stranger"
grep -o 'peer did not return a certificate' server.log || surprise "$(cat server.log)"

title "A revocation that OpenSSL honours"
serial=$(openssl x509 -in client@company.com/tls.crt -noout -serial | cut -d = -f 2 | tr A-F a-f)
admin ca crl --ca-id root_ca_1 --output root.crl
admin ca crl --ca-id prod_ca_1 --output before.crl
cat before.crl root.crl >before.pem
accepted client@company.com before.pem -purpose sslclient
admin certs revoke "$serial" --reason key-compromise
admin ca crl --ca-id prod_ca_1 --output after.crl
cat after.crl root.crl >after.pem
refused_as_revoked client@company.com after.pem -purpose sslclient
accepted broker-01 after.pem -purpose sslserver -verify_hostname broker-01

title "The hierarchy"
try rustmq-admin ca tree

printf '\nEverything held, and nothing is left behind. README.md shows how to set up your own.\n'
