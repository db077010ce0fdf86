#!/bin/sh
# Installs what the build, the demonstration or the tests need on Debian 12 with Rust present.
#
#   scripts/setup.sh build    C compiler and linker
#   scripts/setup.sh demo     build, and OpenSSL
#   scripts/setup.sh bench    build, and the programs that are measured beside
#   scripts/setup.sh test     demo, and every program that judges what the CA issues
#
# Debian packages are installed only when a command is missing and only by root or through a
# sudo that asks nothing. Python packages go into .judges at the top of the repository and
# nowhere else. What cannot be installed is named, and the script goes on: the tests that need
# it skip and say so, or fail when CI=true.
set -eu

level=${1:-test}
case $level in
build | demo | bench | test) ;;
*)
    echo "usage: scripts/setup.sh build|demo|bench|test" >&2
    exit 2
    ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
judges=$root/.judges
missing=''

say() { echo "setup: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
lacking() { missing="$missing
  $1"; }

# Debian packages of this level whose command is absent, one word each.
absent_packages() {
    have cc || echo gcc libc6-dev
    have make || echo make
    [ "$level" = build ] && return
    have openssl || echo openssl
    [ "$level" = demo ] && return
    have certtool || echo gnutls-bin
    if [ "$level" = bench ]; then
        have cfssl || echo golang-cfssl
        return
    fi
    [ -f /usr/include/openssl/x509.h ] || echo libssl-dev
    have javac || echo default-jdk-headless
    have node || echo nodejs
    have faketime || echo faketime
    have strace || echo strace
    have python3 || echo python3
    have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
}

# Runs a command as root, or fails where that would mean asking for a password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

apt_install() {
    have apt-get || return 1
    say "installing Debian packages: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update >/dev/null 2>&1 || return 1
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install -y --no-install-recommends "$@" >/dev/null 2>&1
}

install_packages() {
    # The unquoted expansion makes one word of each package and drops the line breaks.
    # shellcheck disable=SC2046
    set -- $(absent_packages)
    [ $# -gt 0 ] || return 0
    apt_install "$@" || say "could not install Debian packages here (no root, or no network)"
    # shellcheck disable=SC2046
    set -- $(absent_packages)
    for package in "$@"; do
        lacking "Debian package $package"
    done
}

# The stamp changes with the pins, with this script and with the Python that runs them.
wanted_stamp() {
    cat "$here/setup.sh" "$here/judges.txt" | sha256sum | cut -d ' ' -f 1
    python3 --version
}

# Console scripts of a `pip install --target` folder find their modules only with PYTHONPATH.
wrap() {
    printf '#!/bin/sh\nPYTHONPATH="%s" exec %s "$@"\n' "$judges/target" "$2" >"$1"
    chmod +x "$1"
}

install_into_venv() {
    python3 -m venv "$judges/venv" &&
        "$judges/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            --requirement "$here/judges.txt" || return 1
    for program in "$judges"/venv/bin/*; do
        ln -sf "../venv/bin/$(basename "$program")" "$judges/bin/"
    done
    rm -f "$judges"/bin/[Aa]ctivate* "$judges"/bin/pip* "$judges"/bin/python*
    # An interpreter reached through a link does not find its virtual environment.
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$judges/venv/bin/python" >"$judges/bin/python"
    chmod +x "$judges/bin/python"
}

install_into_folder() {
    python3 -m pip install --quiet --disable-pip-version-check --target "$judges/target" \
        --requirement "$here/judges.txt" || return 1
    for program in "$judges"/target/bin/*; do
        wrap "$judges/bin/$(basename "$program")" "\"$program\""
    done
    wrap "$judges/bin/python" python3
}

install_judges() {
    have python3 || return 0
    stamp=$(wanted_stamp)
    if [ -f "$judges/stamp" ] && [ "$(cat "$judges/stamp")" = "$stamp" ]; then
        return 0
    fi
    say "installing the Python packages of scripts/judges.txt into .judges"
    rm -rf "$judges"
    mkdir -p "$judges/bin"
    if install_into_venv || install_into_folder; then
        echo "$stamp" >"$judges/stamp"
    else
        lacking "the Python packages of scripts/judges.txt (pip failed; see above)"
    fi
}

install_packages
[ "$level" = test ] && install_judges
if [ -n "$missing" ]; then
    say "still missing, and what needs it will say so:$missing"
fi
