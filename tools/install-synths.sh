#!/bin/sh
# Installs Debian's synths with their banks, and the two libraries that DawDreamer can't be loaded without.
#
# Does nothing where all are there. SYNTHS=none declines the synths. Where apt-get or root is missing, or the
# installation fails, one line says so and what serves instead: this script never stops the set-up.
set -u
PATH=$PATH:/usr/sbin:/sbin

fallback="the built-in Faust synth and its factory bank serve"

has_package() {
    dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

has_library() {
    ldconfig -p 2>/dev/null | grep -q "$1"
}

[ "$(uname -s)" = Linux ] || { echo "Synths are installed on Debian only; without any, $fallback."; exit 0; }

libraries=""
has_library 'libGL\.so\.1' || libraries="$libraries libgl1"
has_library 'libglib-2\.0\.so\.0' || libraries="$libraries libglib2.0-0"

synths=""
if [ "${SYNTHS:-debian}" = none ]; then
    echo "SYNTHS=none: no synths are installed; $fallback."
else
    for package in amsynth zynaddsubfx-vst zynaddsubfx-data dpf-plugins-vst timgm6mb-soundfont hexter; do
        has_package "$package" || synths="$synths $package"
    done
fi

missing="$libraries$synths"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    if [ -n "$libraries" ]; then
        echo "Not installed, since that takes apt-get and root:$missing. DawDreamer can't work without$libraries; install what your system calls so."
    else
        echo "Not installed, since that takes apt-get and root:$missing. Where no plugin is found, $fallback."
    fi
    exit 0
fi

echo "Installing from Debian:$missing (SYNTHS=none declines the synths)."
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of names
if apt-get update -qq >"$log" 2>&1 && apt-get install -qq -y --no-install-recommends $missing >>"$log" 2>&1; then
    echo "Installed:$missing."
else
    echo "apt-get failed ($(grep -m 1 '^E:' "$log" || tail -n 1 "$log")); without$missing, $fallback."
fi
rm -f "$log"
