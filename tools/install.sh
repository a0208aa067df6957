#!/bin/sh
# Installs what talkpath needs from Debian's packages, and nothing that is there already.
# With --for-tests also the SIP clients, the browsers and the TURN server that the tests call with.
set -eu

need_rust="talkpath needs Rust 1.90 or newer; https://rustup.rs says how to get it."
command -v cargo >/dev/null 2>&1 || { echo "$need_rust" >&2; exit 1; }

need_node="talkpath's pages need Node 20.19 or newer with npm; https://nodejs.org says how to get it."
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null 2>&1 || { echo "$need_node" >&2; exit 1; }

# package:proof that it is there
wanted="gcc:/usr/bin/cc pkg-config:/usr/bin/pkg-config libopus-dev:/usr/include/opus/opus.h espeak-ng:/usr/bin/espeak-ng"
if [ "${1:-}" = "--for-tests" ]; then
    wanted="$wanted sip-tester:/usr/bin/sipp baresip-core:/usr/bin/baresip chromium:/usr/bin/chromium chromium-headless-shell:/usr/bin/chromium-headless-shell firefox-esr:/usr/bin/firefox-esr coturn:/usr/bin/turnserver"
fi

missing=""
for entry in $wanted; do
    [ -e "${entry#*:}" ] || missing="$missing ${entry%%:*}"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "talkpath needs these packages, and apt-get is not here to install them:$missing" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "Install as root:$missing" >&2; exit 1; }
    sudo="sudo"
fi
echo "Installing:$missing"
$sudo apt-get update -q
# Debian starts a TURN server, open to the network, with its package. The tests start their own.
holds_coturn=""
failed=""
case "$missing" in *coturn*) [ ! -d /run/systemd/system ] || holds_coturn=1 ;; esac
[ -z "$holds_coturn" ] || $sudo systemctl mask --quiet coturn.service
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends $missing || failed=1
if [ -n "$holds_coturn" ]; then
    $sudo systemctl unmask --quiet coturn.service
    [ -n "$failed" ] || $sudo systemctl disable --quiet coturn.service
fi
[ -z "$failed" ]
