binmode STDIN;binmode STDOUT;
($a,$c,$j,$z)=@ARGV;
$k="";
sub w{my($o,$n)=0;while($o<length$_[0]){defined($n=syswrite STDOUT,$_[0],length($_[0])-$o,$o)or exit 1;$o+=$n}}
while($z<0||$a<$z){
$n=$c;
if($z>=0){$n=$c-$a%$c;$n=$z-$a if$n>$z-$a;sysseek STDIN,$a,0}
defined($r=sysread STDIN,$b,$n)or exit 1;
$r or last;
$a+=$r;
$a+=$j if$a%$c==0;
$b=$k.$b;
$k="";
if(substr($b,-1)eq"\xef"){$k="\xef";chop$b}
$b=~s/\xef\xbf/\xef\xbf\0/g;
w($b)
}
w("$k\xef\xbf\1\n");
