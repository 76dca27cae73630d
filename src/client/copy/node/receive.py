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
u=time.monotonic
t=u()+60
g=dict()
while u()<t and os.getppid()==p:
    for c in select.select(l+list(g),[],[],1)[0]:
        try:
            if c in l:
                c=c.accept()[0]
                c.setblocking(False)
                g[c]=[b"",u()+5]
                continue
            d=c.recv(32-len(g[c][0]))
        except OSError:d=b""
        if c not in g:continue
        g[c][0]+=d
        if g[c][0]==k.encode():
            c.setblocking(True)
            os.dup2(c.fileno(),0)
            for s in l+list(g):s.close()
            signal.signal(signal.SIGPIPE,signal.SIG_DFL)
            os.execvp("sh",["sh","-c"]+sys.argv[1:])
        if not d or len(g[c][0])==32:
            del g[c]
            c.close()
    for c in [c for i,c in enumerate(g) if u()>g[c][1] or i<len(g)-64]:
        del g[c]
        c.close()
print("no connection")
