m=MARK
w() { printf "\033_$m%s\033\\\\" $1; }
f() { while n=$(dd bs=6 count=1 iflag=fullblock) && [ "$n" -gt 0 ]; do dd bs="$n" count=1 iflag=fullblock; done; }
o() { while x=$(dd bs=49152 count=1 2>/dev/null | base64) && [ -n "$x" ]; do printf "%s\n" "$x"; done; }
r() { while x=$(dd bs=4096 count=1 2>/dev/null | od -An -v -tx1 | tr -d " \n" | tr 0-9a-f "!#%&()*,-.:;<>?@") && [ -n "$x" ]; do printf "%s\n" "$x"; done; }
c() {
command -v "$1" >/dev/null || { echo "exec: \"$1\": not found on the node" >&2; exit 127; }
exec "$@"
}
if stty raw -echo && [ "$(printf ab | dd bs=1 count=1 iflag=fullblock | od -An -v -tx1 | tr -d " \n")" = 61 ] && [ "$(printf a | base64)" = YQ== ]
then w h; else w n; exit; fi 2>/dev/null
{
{
{
f 2>/dev/null 3>&- 5>&- | { (c "$@" 3>&- 5>&-); w x$? >&3; }
} 2>&1 >&5 5>&- | r >&3
} 5>&1 | o >&3
} 3>&1
w e
