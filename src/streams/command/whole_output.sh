m=MARK
w() { printf "\033_$m%s\033\\\\" "$1"; }
exec 7>&1 6>&2 >/dev/null 2>&1
p=$(printf "\357\277\275\n\357\$\n\357\277\$")
e() {
trap "" HUP
dd bs=65536 count=1 of=$1
if [ -s $1 ] && [ "$k" ] && [ "$(tr -d "\11\12\14\15\33\40-\176\200-\356\360-\377" <$1 | wc -c)" -eq 0 ]
then
w t
{ s=$({ cat $1; cat; } | tee /dev/fd/5 | cksum); } 5>&1
w "s$s"
exit
fi
while [ -s $1 ]; do
if LC_ALL=C grep -qe "$p" $1; then printf "\033_${m}b"; base64 <$1; printf "\033\\\\"; else cat $1; fi || exit
dd bs=65536 count=1 of=$1
done
w e
}
if d=$(mktemp -d) && mkfifo "$d/o" "$d/e" && exec 8<>"$d/8" 9<>"$d/9" &&
printf "\000a\357\277\275" | dd of=/dev/fd/9 && LC_ALL=C grep -qe "$p" /dev/fd/9 && [ "$(base64 </dev/fd/9)" = AGHvv70= ]
then
k=$(tr -d b </dev/fd/9 | tee /dev/null | cksum)
[ "$k" = "3001061895 5" ] || k=
w h >&7
w h >&6
(e /dev/fd/9 <"$d/o" >&7 &)
(e /dev/fd/8 <"$d/e" >&6 &)
exec >"$d/o" 2>"$d/e" 6>&- 7>&- 8>&- 9>&-
rm -rf "$d"
else
rm -rf "$d"
w p >&7
exec >&7 2>&6 6>&- 7>&- 8>&- 9>&-
fi
command -v "$1" >/dev/null || { echo "exec: \"$1\": not found on the node" >&2; exit 127; }
exec "$@"
