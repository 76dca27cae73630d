# Starts the companion in the language that the node has: $1 is Python, $2 Perl.
if command -v python3 >/dev/null 2>&1 && python3 -IS -c "import select, socket, _thread" 2>/dev/null; then
    exec python3 -IS -c "$1"
fi
if command -v perl >/dev/null 2>&1 && perl -e "use Socket 1.95; use Fcntl; use Errno" 2>/dev/null; then
    exec perl -e "$2"
fi
echo "ssmport-turbo none"
