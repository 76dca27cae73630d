k=$1 PY=$2 PL=$3
shift 3
say() { printf "%s\n" "$*"; }
free() { :; }
no() { free; say no "$@"; exit 3; }
has() { command -v "$1" >/dev/null 2>&1; }
b() { v=$(printf "%b." "$1"); v=${v%.}; }
d() {
b "$1"
case $v in
/*) ;;
.) v=$PWD ;;
"~") v=${HOME:-/} ;;
"~/"*) v=${HOME%/}/${v#??} ;;
*) v=${PWD%/}/$v ;;
esac
}
x() { printf %s "$1" | od -An -v -tx1 | tr -d " \n"; }
for t in dd head od tail tr wc; do has $t || no tool $t; done
if has sha256sum; then h() { sha256sum; }
elif has shasum; then h() { shasum -a 256; }
elif has openssl; then h() { openssl dgst -sha256 -r; }
elif has python3; then h() { python3 -c "import hashlib,sys
s=hashlib.sha256()
for b in iter(lambda:sys.stdin.buffer.read(65536),b\"\"):s.update(b)
print(s.hexdigest())"; }
else no tool sha256sum
fi
s() { s=$(h); s=${s%% *}; }
t() {
set -- $(stat -L -c "%s %a %Y" "$v" 2>/dev/null || stat -L -f "%z %Lp %m" "$v" 2>/dev/null)
z=$((${1:-$(wc -c <"$v")})) m=${2:--} y=${3:--}
}
enc() {
case $e in
perl) perl -e "$PL" "$@" ;;
python3) python3 -c "$PY" "$@" ;;
*)
if [ "$4" -lt 0 ]; then cat
else
a=$1
while [ "$a" -lt "$4" ]; do
r=$((a % $2)) n=$(($2 - a % $2))
[ $n -le $(($4 - a)) ] || n=$(($4 - a))
dd bs="$2" skip=$((a / $2)) count=1 2>/dev/null <"$v" | tail -c +$((r + 1)) | head -c $n
a=$((a + n))
[ $((a % $2)) -ne 0 ] || a=$((a + $3))
done
fi | base64 && say . ;;
esac
}
data() {
if perl -e 1 2>/dev/null; then e=perl
elif python3 -c 1 2>/dev/null; then e=python3
elif [ "$(printf a | base64)" = YQ== ]; then e=base64
else no tool base64
fi
say data $e
}
find() {
d "$1"
[ -e "$v" ] || { ls -d "$v" >/dev/null; no absent; }
[ -r "$v" ] || no unreadable
}
get() {
find "$1"
if [ -d "$v" ]; then pack; return; fi
[ -f "$v" ] || no special
t
[ $z != 0 ] || [ -z "$(head -c 1 <"$v" | od -An -tx1)" ] || no unsized
say file $z $m $y $(x "$v")
a=0
if [ "$2" -gt 0 ] && [ "$2" -le $z ]; then
s=$(head -c "$2" <"$v" | h)
[ "${s%% *}" != "$3" ] || a=$2
fi
n=$(((z - a) / $6))
[ $n -le "$4" ] || n=$4
[ $n -ge 1 ] || n=1
say from $a $n
data
{ s=$(
head -c $z <"$v" | h &
enc $a "$5" $(((n - 1) * $5)) $z <"$v" >&3 || { kill $!; exit 1; }
wait
) || exit; } 3>&1
t
say sum ${s%% *} $z $y
}
pack() {
has tar || no tool tar
[ -x "$v" ] || no unreadable
say folder $(x "$v")
data
{ w=$({ {
s=$({ tar -cf - -C "$v" . 5>&-; say tar $? >&4; } | tee /dev/fd/5 | h)
say sum ${s%% *} >&4
} 5>&1 | enc 0 65536 0 -1 >&3; } 4>&1) || exit; } 3>&1
say "$w"
}
c() {
while read -r n; do
[ "$n" != 0 ] || return 0
w=$(dd bs="$n" count=1 iflag=fullblock 2>&1 >&4) || { say "$w" | head -n 1 >&2; return 1; }
done
return 2
}
new() {
b "$2"
n=$v
d "$1"
if [ -d "$v" ]; then [ -z "$n" ] || v=${v%/}/$n
elif [ "$3" = 1 ]; then no nofolder
fi
[ "$(printf ab | dd bs=1 count=1 iflag=fullblock 2>/dev/null)" = a ] || no tool "dd with iflag=fullblock"
if [ $k = put ]; then
[ ! -d "$v" ] || no isfolder
[ ! -e "$v" ] || [ -f "$v" ] || no special
[ ! -L "$v" ] || v=$(readlink -f "$v") || no absent
else
[ ! -e "$v" ] || [ -d "$v" ] || no isfile
fi
q=${v%/*}
[ -d "$q/" ] || no noparent
p=$(printf %s "${v##*/}" | head -c 200)
p=$q/.$p.ssmport-part
u=$(umask)
umask 077
}
mine() { w=; read -r w <"$l" && [ "$w" = "$i" ]; } 2>/dev/null
take() { (set -C; : >"$l") && { say "$i" >"$l" || { rm -f "$l"; false; }; }; }
lock() {
l=$p.lock i="$$ $(head -c 8 /dev/urandom | od -An -v -tx1 | tr -d " \n")" n=0
until take 2>/dev/null; do
[ -e "$l" ] || { take && break; } || no unwritable
read -r w r 2>/dev/null <"$l" || w=
r=$(wc -c 2>/dev/null <"$p")
[ $n != 10 ] || z=$r
if [ -n "$w" ] && ! kill -0 "$w" 2>/dev/null; then rm -f "$l"
elif [ $n = 15 ]; then
[ "$r" = "$z" ] || no busy
{ (set -C; cat <"$p" >"$p.$$") && mv -f "$p.$$" "$p"; } || rm -f "$p.$$" "$p"
rm -f "$l"
else sleep 1
fi
n=$((n + 1))
[ $n -lt 20 ] || no busy
done
free() { ! mine || rm -f "$l"; }
trap free EXIT
trap "exit 3" HUP INT TERM
}
one() { read -r w r o && [ "$r" = 1 ]; }
old() { ! mine || rm -f "$p"; no "$@"; }
put() {
new "$@"
lock
[ -f "$p" ] && [ ! -L "$p" ] && [ -O "$p" ] && ls -ld "$p" | one || { rm -f "$p"; (set -C; : >"$p"); } || no unwritable
exec 4>>"$p" || no unwritable
a=$(($(wc -c <"$p"))) s=-
[ $a = 0 ] || s <"$p"
say have $a $s $(x "$v")
read -r a m y || exit
mine || no busy
[ "$a" != 0 ] || : >"$p"
c
case $? in 1) old unwritable ;; 2) exit ;; esac
read -r r || exit
mine || no busy
s <"$p"
[ ${#s} = 64 ] || exit
[ $s = "$r" ] || old differs
o=$(stat -c "%u:%g %a" "$v" 2>/dev/null)
[ -z "$o" ] || chown ${o% *} "$p" 2>/dev/null
if [ "$m" = - ]; then
m=${o:+00${o#* }}
m=${m#"${m%???}"}
fi
chmod ${m:-$(printf %o $((0666 & ~0$u)))} "$p"
[ "$y" = - ] || touch -d "@$y" "$p" 2>/dev/null || perl -e "utime shift,shift,@ARGV" $y $y "$p"
sync "$p" 2>/dev/null
mine || no busy
mv -f "$p" "$v" || old unwritable
free
say done
}
dev() { stat -L -c %d "$1" 2>/dev/null || stat -L -f %d "$1" 2>/dev/null; }
unh() { [ -z "$h" ] || { chmod -R u+rwx "$h"; rm -rf "$h"; } 2>/dev/null; }
unl() { [ ! -L "$1" ] || rm -f "$1"; }
mv2() {
if [ -z "$h" ]; then unl "$2" && mv -f "$1" "$2"; return; fi
mkdir -m 700 "$h" && cp -pPR "$1" "$h/c" && unl "$2" && mv -f "$h/c" "$2"
set -- $?
unh
return $1
}
m() {
h=
if [ "$(dev "$1")" != "$(dev "$2")" ]; then
h=$2/.ssmport-part.$$
while [ -e "$h" ] || [ -L "$h" ]; do h=$h.; done
trap unh EXIT
trap "exit 3" HUP INT TERM
fi
for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
[ -e "$f" ] || [ -L "$f" ] || continue
g=$2/${f##*/}
if [ -d "$f" ] && [ ! -L "$f" ]; then
w=
[ -w "$f" ] || { chmod u+w "$f" && w=1; }
if [ -d "$g" ] && [ ! -L "$g" ]; then (m "$f" "$g") || return 1
elif [ -e "$g" ] || [ -L "$g" ]; then say "$g is no folder" >&2; return 1
else
mv2 "$f" "$g" || return 1
[ -z "$w" ] || chmod u-w "$g"
fi
elif [ -d "$g" ] && [ ! -L "$g" ]; then say "$g is a folder" >&2; return 1
else
mv2 "$f" "$g" || return 1
fi
done
}
unpack() {
has tar || no tool tar
new "$@"
[ ! -d "$v" ] || p=${v%/}/${p##*/}
n=$$
while [ -e "$p.$n" ] || [ -L "$p.$n" ]; do n=$((n + 1)); done
p=$p.$n
mkdir "$p" || no unwritable
free() { chmod -R u+rwx "$p"; rm -rf "$p"; } 2>/dev/null
trap free EXIT
trap "exit 3" HUP INT TERM
say have 0 - $(x "$v")
read -r a m y || exit
umask $u
o=
[ $m = po ] || ! head -c 1024 /dev/zero | tar -x --no-same-permissions -f - 2>/dev/null || o=--no-same-permissions
exec 6>&1
r=$({ {
s=$(c 4>&1 5>&- | tee /dev/fd/5 | h)
read -r w && [ ${s%% *} = "$w" ] && say same >&3
} 5>&1 | { tar -x${m}f - $o -C "$p" >&2 && say out >&3 || { free; say no unwritable >&6; }; cat >/dev/null; }; } 3>&1)
case $r in
*same*out* | *out*same*) ;;
*) no differs ;;
esac
if [ -d "$v" ]; then
chmod u+rwx "$p"
(m "$p" "$v") || no unwritable
else mv "$p" "$v" || no unwritable
fi
free
say done
}
case $k in
part) find "$1"; data; enc "$2" "$3" "$4" "$5" <"$v" && say end ;;
sum) find "$1"; s=$(head -c "$2" <"$v" | h); t; say sum ${s%% *} $z $y ;;
*) $k "$@" ;;
esac
