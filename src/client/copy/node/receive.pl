$|=1;
socket L,AF_INET,SOCK_STREAM,0 and bind L,sockaddr_in(0,INADDR_LOOPBACK) and listen L,64 or die "$!";
open R,"/dev/urandom" or die "$!";
sysread R,$k,16;
$k=unpack "H*",$k;
print "listen ",(sockaddr_in getsockname L)[0]," $k\n";
$p=getppid;
$t=time+60;
sub w{my$v="";vec($v,fileno $_[0],1)=1;select $v,undef,undef,$_[1]}
while(time<$t&&getppid==$p){
w(L,1)>0 or next;
accept C,L or next;
$b="";
while(length$b<32&&w(C,2)>0){sysread C,$b,32-length$b,length$b or last}
if($b eq$k){
close L;
open STDIN,"<&C";
exec "sh","-c",@ARGV}
close C
}
print "no connection\n";
