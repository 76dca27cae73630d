p=$1 l=$2
shift 2
if python3 -c 1 2>/dev/null; then exec python3 -c "$p" "$@"; fi
if perl -MSocket -e 1 2>/dev/null; then exec perl -MSocket -e "$l" "$@"; fi
echo no interpreter
