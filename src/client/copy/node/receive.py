import os,select,signal,socket,sys,time
l=socket.socket()
l.bind(("127.0.0.1",0))
l.listen(64)
k=os.urandom(16).hex()
print("listen",l.getsockname()[1],k,flush=True)
p=os.getppid()
t=time.monotonic()+60
while time.monotonic()<t and os.getppid()==p:
    if not select.select([l],[],[],1)[0]:continue
    c=l.accept()[0]
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
        l.close()
        signal.signal(signal.SIGPIPE,signal.SIG_DFL)
        os.execvp("sh",["sh","-c"]+sys.argv[1:])
    c.close()
print("no connection")
