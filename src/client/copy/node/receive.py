import os,select,signal,socket,sys,time
def o(f,a):
    s=socket.socket(f)
    s.bind(a)
    s.listen(64)
    return s
for i in range(9):
    l=[o(socket.AF_INET,("127.0.0.1",0))]
    n=l[0].getsockname()[1]
    try:l.append(o(socket.AF_INET6,("::1",n)))
    except OSError:continue
    break
k=os.urandom(16).hex()
print("listen",n,k,flush=True)
p=os.getppid()
t=time.monotonic()+60
while time.monotonic()<t and os.getppid()==p:
    r=select.select(l,[],[],1)[0]
    if not r:continue
    c=r[0].accept()[0]
    c.settimeout(2)
    b=b""
    try:
        while len(b)<len(k):
            d=c.recv(len(k)-len(b))
            if not d:break
            b+=d
    except OSError:pass
    if b==k.encode():
        c.setblocking(True)
        os.dup2(c.fileno(),0)
        for s in l:s.close()
        signal.signal(signal.SIGPIPE,signal.SIG_DFL)
        os.execvp("sh",["sh","-c"]+sys.argv[1:])
    c.close()
print("no connection")
