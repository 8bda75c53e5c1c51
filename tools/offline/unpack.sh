#!/bin/sh
# Sets synthmatch up on a machine without network, without root, in a folder of its own:
#
#   sh unpack.sh FOLDER [PYTHON]
#
# Run it beside the parts that gather.py wrote; PYTHON (python3 if not given) has torch and numpy. Afterwards
# `. FOLDER/env.sh` makes `synthmatch` a command, with the plugins, their libraries and their banks found.
set -eu

fail() {
    echo "error: $1" >&2
    exit 1
}

[ $# -ge 1 ] || fail 'name the folder to unpack to: sh unpack.sh FOLDER [PYTHON].'
here=$(cd "$(dirname "$0")" && pwd)
python=${2:-python3}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
mkdir -p "$1"
folder=$(cd "$1" && pwd)

[ -f "$here/parts.sha256" ] || fail "$here/parts.sha256 isn't there; copy it with the parts."
while read -r hash part; do
    [ -f "$here/$part" ] || fail "$part is missing; copy it again."
    # Compared here, since not every sha256sum can be told to read a list quietly.
    [ "$(sha256sum <"$here/$part" | cut -d ' ' -f 1)" = "$hash" ] || fail "$part is damaged; copy it again."
done <"$here/parts.sha256"
# Of another parcel nothing may stay beside this one's: two versions of a wheel can't be installed together. What was
# recorded and trained does. A folder that holds no parcel is none of ours to clear.
if [ -f "$folder/parcel.json" ]; then
    for name in wheels lib vst banks site parcel-pieces; do
        rm -rf "${folder:?}/$name"
    done
fi
: >"$folder/parcel.json" # which stands there from now on, though this be stopped before its part
while read -r hash part; do
    tar -xzf "$here/$part" -C "$folder"
done <"$here/parts.sha256"

# What was too large for a part came in pieces. It is joined among them, and stands in its place wholly or not at all.
pieces=$folder/parcel-pieces
if [ -d "$pieces" ]; then
    number=0
    while read -r hash file; do
        number=$((number + 1))
        cat "$pieces/$number"/* >"$pieces/joined" 2>/dev/null ||
            fail "$file can't be joined in $folder; make room there, and unpack again."
        [ "$(sha256sum <"$pieces/joined" | cut -d ' ' -f 1)" = "$hash" ] ||
            fail "$file isn't what was gathered, once it is joined; gather it again."
        mkdir -p "$(dirname "$folder/$file")"
        mv "$pieces/joined" "$folder/$file"
        rm -r "${pieces:?}/$number" # one after the other, for the sake of room
    done <"$pieces/joined.sha256"
    rm -r "$pieces"
fi

"$python" - "$folder/parcel.json" <<'CHECK' || exit 1
import json, os, sys
facts = json.load(open(sys.argv[1]))
mine = "%d.%d" % sys.version_info[:2]
if mine != facts["python"]:
    sys.exit("error: the parcel is for Python %s, and this is %s; gather it again with --python %s." % (facts["python"], mine, mine))
name = os.confstr("CS_GNU_LIBC_VERSION") if hasattr(os, "confstr") else ""
number = int(name.split(".")[1]) if name and name.startswith("glibc 2.") else 0
if number < facts["glibc"]:
    sys.exit("error: the parcel's plugins need glibc 2.%d, and this is %s; gather it on an older system." % (facts["glibc"], name or "another C library"))
for package in ("torch", "numpy"):
    try:
        __import__(package)
    except ImportError:
        sys.exit("error: %s has no %s; name another one as the second argument." % (sys.executable, package))
CHECK

for plugin in "$folder"/vst/*.so; do
    missing=$(LD_LIBRARY_PATH="$folder/lib" ldd "$plugin" | sed -n 's/^[[:space:]]*\(.*\) => not found.*/\1/p')
    [ -z "$missing" ] || fail "$(basename "$plugin") lacks $missing, which the parcel doesn't hold; gather it again."
done

"$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --upgrade \
    --target "$folder/site" "$folder"/wheels/*.whl || fail 'pip could not install the wheels.'

mkdir -p "$folder/bin" "$folder/home"
cat >"$folder/bin/synthmatch" <<RUN
#!/bin/sh
exec "$(command -v "$python")" -m synthmatch "\$@"
RUN
chmod +x "$folder/bin/synthmatch"
cat >"$folder/env.sh" <<ENVIRONMENT
export PYTHON='$(command -v "$python")'
export PATH='$folder/bin':\$PATH
export PYTHONPATH='$folder/site'\${PYTHONPATH:+:\$PYTHONPATH}
export LD_LIBRARY_PATH='$folder/lib'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export VST_PATH='$folder/vst'
export SYNTHMATCH_BANKS='$folder/banks'
export SYNTHMATCH_HOME='$folder/home'
ENVIRONMENT
echo "$folder is ready: type . $folder/env.sh"
