import os,sys
a,c,j,z=map(int,sys.argv[1:])
k=b""
def w(b):
    while b:b=b[os.write(1,b):]
while z<0 or a<z:
    if z<0:b=os.read(0,c)
    else:b=os.pread(0,min(c-a%c,z-a),a)
    if not b:break
    a+=len(b)
    if a%c==0:a+=j
    b=k+b
    k=b""
    if b[-1]==239:k,b=b[-1:],b[:-1]
    w(b.replace(b"\xef\xbf",b"\xef\xbf\0"))
w(k+b"\xef\xbf\1\n")
