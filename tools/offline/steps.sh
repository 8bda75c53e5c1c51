#!/bin/sh
# Training without network, as steps of under ten minutes. Recording and training go on where they ended the last time:
#
#   sh steps.sh FOLDER record | train | evaluate | results
#
# FOLDER is what unpack.sh set up. A step exits with 3 while something is left: run it again. RECIPE (gpu), MINUTES
# (8 a step), MEMORY_GB (what recordings may take of memory; the command's own figure), RECORD (what else record.py is
# to be told: "--phrases 3 --variants 2"), SUITE (all usual ones) and MIXTURES (each suite's own number) come from the
# environment.
set -eu

[ $# -eq 2 ] || { echo 'error: name the folder and the step: sh steps.sh FOLDER record|train|evaluate|results.' >&2; exit 2; }
folder=$1
step=$2
# shellcheck source=/dev/null
. "$folder/env.sh"
recipe=${RECIPE:-gpu}
minutes=${MINUTES:-8}
notes=$folder/home/notes
run=$folder/home/run-$(basename "$recipe" .toml)
results=$folder/results
mkdir -p "$results"
encoder=$run/encoder.safetensors  # in the run's own folder: another recipe's is no sign that this one is done
largest=16000000  # bytes that a file may have on its way home

case $step in
record)
    # The released weights' synths: of these two presets are found, and those two play in songs that teach presence. Of
    # options that are given twice, the last one counts.
    # shellcheck disable=SC2086  # a list of options
    exec "$PYTHON" -m synthmatch.training.record --data "$notes" --minutes "$minutes" \
        --synths amsynth,zynaddsubfx,dx7,soundfont ${RECORD---phrases 3 --variants 2}
    ;;
train)
    synthmatch train --recipe "$recipe" --data "$notes" --run "$run" --out "$encoder" --minutes "$minutes" \
        ${MEMORY_GB:+--memory-gb "$MEMORY_GB"}
    [ -f "$encoder" ] || exit 3
    ;;
evaluate)
    # A suite's own table: who evaluates one after the other is to have all of them in the end.
    synthmatch evaluate --model "$encoder" --data "$notes" --out "$results/table${SUITE:+-$SUITE}.md" \
        ${SUITE:+--suite "$SUITE"} ${MIXTURES:+--mixtures "$MIXTURES"}
    ;;
results)
    for file in "$folder/parcel.json" "$encoder" "$run/run.json" "$run/log.jsonl" "$run/presence.jsonl"; do
        [ ! -f "$file" ] || cp "$file" "$results"
    done
    for file in "$results"/*; do
        [ "$(wc -c <"$file")" -lt "$largest" ] || { echo "error: $file has $largest bytes or more; use a recipe with half = true." >&2; exit 1; }
    done
    ls -l "$results"
    ;;
*)
    echo "error: there is no step $step; name record, train, evaluate or results." >&2
    exit 2
    ;;
esac
