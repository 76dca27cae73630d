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
while(time<$t&&getppid==$p){
$v="";
vec($v,fileno $_,1)=1 for*L,$s?*M:(),map$_->[0],@g;
$v="" if select($v,undef,undef,1)<1;
for(*L,$s?*M:()){
my$c;
vec($v,fileno $_,1)&&accept$c,$_ and push@g,[$c,"",time+5]
}
my@h=@g>64?@g[-64..-1]:@g;
@g=();
for my$g(@h){
my$c=$g->[0];
if(vec($v,fileno $c,1)){
sysread $c,$g->[1],32-length$g->[1],length$g->[1]or next;
if($g->[1]eq$k){
close L;
close M;
open STDIN,"<&",$c;
exec "sh","-c",@ARGV}
next if length$g->[1]>31}
push@g,$g if time<=$g->[2]
}
}
print "no connection\n";
