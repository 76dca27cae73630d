m=MARK
w() { printf "\033_$m%s\033\\\\" "$1"; }
exec 7>&1 6>&2 >/dev/null 2>&1
c() { dd bs=65536 count=1 | base64; }
e() {
trap "" HUP
x=$(c)
if [ -z "$x" ]; then w e
elif [ "$(printf %s "$x" | base64 -d | tr -d "\11\12\14\15\33\40-\176\200-\356\360-\377" | wc -c)" -eq 0 ]
then
w t
{ s=$({ printf %s "$x" | base64 -d; cat; } | tee /dev/fd/5 | cksum); } 5>&1
w "s$s"
else
while [ -n "$x" ]; do printf "\033_${m}b%s\033\\\\" "$x" || exit; x=$(c); done
w e
fi
}
h() {
exec 4>&1 >/dev/null
sh -c "echo \$\$ >&4; exec sleep 60 4>&-" 6>&- 7>&- | (exec >&$1 4>&-; e) &
}
if : | { : >/proc/self/fd/0; } && sleep 0 && [ "$(printf a | dd bs=1 count=1 | base64 | base64 -d | tr -d b | tee /dev/null | cksum)" = "1220704766 1" ]
then
w h >&7
w h >&6
o=$(h 7)
r=$(h 6)
exec >/proc/$o/fd/1 2>/proc/$r/fd/1 6>&- 7>&-
kill $o $r
else
w p >&7
exec >&7 2>&6 6>&- 7>&-
fi
command -v "$1" >/dev/null || { echo "exec: \"$1\": not found on the node" >&2; exit 127; }
exec "$@"
