$|=1;
for(1..9){
socket L,AF_INET,SOCK_STREAM,0 and bind L,sockaddr_in(0,INADDR_LOOPBACK) and listen L,64 or die "$!";
$n=(sockaddr_in getsockname L)[0];
$s=eval{socket M,AF_INET6,SOCK_STREAM,0 and bind M,Socket::pack_sockaddr_in6($n,Socket::inet_pton(AF_INET6,"::1")) and listen M,64};
last if $s}
open R,"/dev/urandom" or die "$!";
sysread R,$k,16;
$k=unpack "H*",$k;
print "listen $n $k\n";
$p=getppid;
$t=time+60;
sub w{my$v="";my$e=pop;vec($v,fileno $_,1)=1 for@_;select($v,undef,undef,$e)>0?$v:""}
while(time<$t&&getppid==$p){
$v=w(*L,$s?*M:(),1)or next;
accept C,vec($v,fileno L,1)?L:M or next;
$b="";
while(length$b<32&&w(*C,2)){sysread C,$b,32-length$b,length$b or last}
if($b eq$k){
close L;
close M;
open STDIN,"<&C";
exec "sh","-c",@ARGV}
close C
}
print "no connection\n";
