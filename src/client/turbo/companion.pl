# The same companion in Perl, for nodes without Python: nothing but what the smallest Perl has.
# No single quotes, no braces in pairs. Names are looked up one at a time.
use strict;
use Socket qw(:all);
use Fcntl;
use Errno qw(EAGAIN EINTR EINPROGRESS);

my ($KEPT, $CHUNK, $GUESTS, $AGE, $WORD) = (8 << 20, 32 << 10, 8, 5, 32);
$SIG{PIPE} = "IGNORE";
$| = 1;
my ($parent, $born, $used, $told) = (getppid, time, time, time);
my (%streams, %sockets, $uplink, $carrier, @guests);
my ($incoming, $back, $kept, $written, $out) = ("", "", "", 0, \*STDOUT);
my ($hears, $says) = ("", "");

open(my $random, "<", "/dev/urandom") or exit;
sysread($random, my $secret, $WORD) == $WORD or exit;
my ($key, $proof) = unpack("a${WORD}a*", unpack("H*", $secret));

sub unblock { fcntl($_[0], F_SETFL, fcntl($_[0], F_GETFL, 0) | O_NONBLOCK) }
sub nodelay { setsockopt($_[0], IPPROTO_TCP, TCP_NODELAY, 1) }
sub leave { require POSIX; POSIX::_exit(0) }
sub later { $!{EAGAIN} || $!{EINTR} }

sub put { $kept .= sprintf("%s%08x%08x", @_) }

sub put_data {
    my ($number, $data) = @_;
    if (index($data, "\xef\xbf\xbd") < 0) {
        put("D", $number, length $data);
        $kept .= $data . "~~~";
    } else {
        put("H", $number, 2 * length $data);
        $kept .= unpack("H*", $data);
    }
}

sub put_reason {
    my ($kind, $number, $why) = @_;
    $why =~ s/[^ -~]/?/g;
    put($kind, $number, length $why);
    $kept .= $why;
}

sub say_back { $back .= pack("aNN", @_) }

sub answer {
    return if !length $back;
    my $count = syswrite($uplink, $back);
    leave() if !defined $count && !later();
    substr($back, 0, $count || 0) = "";
}

sub flush {
    while ($out && $written < length $kept) {
        my $count = syswrite($out, $kept, 64 << 10, $written);
        if (defined $count) { $written += $count }
        elsif (later()) { last }
        else { lose() }
    }
}

sub lose {
    leave() if !$carrier;
    undef $carrier;
    undef $out;
}

sub move {
    my ($port, $word) = @_;
    $written = 0;
    undef $out;
    socket($carrier, PF_INET, SOCK_STREAM, 0);
    connect($carrier, pack_sockaddr_in($port, INADDR_LOOPBACK)) or return;
    syswrite($carrier, substr($word, 0, $WORD) . "O");
    my ($proof, $end) = ("", time + $AGE);
    while (length $proof < $WORD && time < $end) {
        my $wanted = "";
        watch($wanted, $carrier);
        select($wanted, undef, undef, 1) > 0 or next;
        sysread($carrier, $proof, $WORD - length $proof, length $proof) or last;
    }
    return close($carrier) if $proof ne substr($word, $WORD);
    nodelay($carrier);
    unblock($carrier);
    $out = $carrier;
}

# --- Streams.

sub resets { setsockopt($_[0], SOL_SOCKET, SO_LINGER, pack("ii", $_[1], 0)) }

sub dial {
    my ($s, $host, $port) = @_;
    my ($error, @found) = getaddrinfo($host, $port, +{ socktype => SOCK_STREAM });
    $s->{found} = \@found;
    $s->{why} = "$error";
    attempt($s);
}

sub attempt {
    my ($s) = @_;
    forget($s);
    while (my $next = shift @{ $s->{found} }) {
        socket(my $socket, $next->{family}, SOCK_STREAM, 0) or next;
        unblock($socket);
        nodelay($socket);
        if (connect($socket, $next->{addr}) || $!{EINPROGRESS}) {
            $s->{socket} = $socket;
            $sockets{ fileno $socket } = $s;
            return;
        }
        $s->{why} = "$!";
    }
    delete $streams{ $s->{id} };
    put_reason("F", $s->{id}, $s->{why});
}

sub forget {
    my ($s) = @_;
    if (my $socket = delete $s->{socket}) {
        delete $sockets{ fileno $socket };
        close($socket);
    }
}

sub drop {
    my ($s, $is_reset) = @_;
    delete $streams{ $s->{id} };
    resets($s->{socket}, $is_reset) if $s->{socket};
    forget($s);
}

sub broken {
    put_reason("R", $_[0]{id}, "$!");
    drop($_[0], 1);
}

sub ready {
    my ($s) = @_;
    if (!$s->{joined}) {
        $! = unpack("i", getsockopt($s->{socket}, SOL_SOCKET, SO_ERROR));
        if ($!) {
            $s->{why} = "$!";
            return attempt($s);
        }
        resets($s->{socket}, 1);
        $s->{joined} = 1;
    }
    transmit($s);
}

sub transmit {
    my ($s) = @_;
    return if !$s->{joined};
    while (length $s->{up}) {
        my $count = syswrite($s->{socket}, $s->{up}, 256 << 10);
        if (!defined $count) {
            return broken($s) if !later();
            last;
        }
        substr($s->{up}, 0, $count) = "";
        $s->{used} += $count;
    }
    if ($s->{ended} && !$s->{shut} && !length $s->{up}) {
        shutdown($s->{socket}, 1) or return broken($s);
        $s->{shut} = 1;
    }
    if ($s->{used} >= 8192 || $s->{used} && $s->{shut}) {
        say_back("U", $s->{id}, $s->{used});
        $s->{used} = 0;
    }
    settle($s);
}

sub receive {
    my ($s) = @_;
    my $most = $s->{credit} < $CHUNK ? $s->{credit} : $CHUNK;
    return if $most <= 0 || length($kept) >= $KEPT || $s->{over};
    my $count = sysread($s->{socket}, my $data, $most);
    if (!defined $count) {
        broken($s) if !later();
        return;
    }
    if ($count) {
        $s->{credit} -= $count;
        $s->{got} = ($s->{got} + $count) % 2**32;
        put_data($s->{id}, $data);
    } else {
        put("E", $s->{id}, $s->{got});
        $s->{over} = 1;
    }
    settle($s);
}

sub settle { drop($_[0], 0) if $_[0]{over} && $_[0]{shut} }

# --- What the client says.

sub heard {
    my $count = sysread($uplink, $incoming, 256 << 10, length $incoming);
    return if !defined $count && later();
    leave() if !$count;
    $used = $told = time;
    my $at = 0;
    while (length($incoming) >= $at + 9) {
        my ($kind, $number, $length) = unpack("aNN", substr($incoming, $at, 9));
        last if length($incoming) < $at + 9 + $length;
        obey($kind, $number, substr($incoming, $at + 9, $length));
        $at += 9 + $length;
    }
    substr($incoming, 0, $at) = "";
}

sub obey {
    my ($kind, $number, $data) = @_;
    my $s = $streams{$number};
    if ($kind eq "A") {
        my $count = unpack("N", $data);
        substr($kept, 0, $count) = "";
        $written -= $count;
    } elsif ($kind eq "P") {
        say_back("P", 0, unpack("N", $data));
        put("P", 0, unpack("N", $data));
    } elsif ($kind eq "M") {
        move(unpack("n", $data), substr($data, 2));
    } elsif ($kind eq "O") {
        my ($credit, $port) = unpack("Nn", $data);
        $s = $streams{$number} = +{ id => $number, credit => $credit, up => "" };
        dial($s, substr($data, 6), $port);
    } elsif (!$s) {
    } elsif ($kind eq "D") {
        $s->{up} .= $data;
        transmit($s);
    } elsif ($kind eq "E") {
        $s->{ended} = 1;
        transmit($s);
    } elsif ($kind eq "C") {
        $s->{credit} += unpack("N", $data);
    } elsif ($kind eq "X") {
        drop($s, 1);
    }
}

# --- Who is to be waited for.

sub watch {
    my ($mask, $handle) = @_;
    vec($_[0], fileno $handle, 1) = 1;
}

sub wait_for {
    ($hears, $says, my $most) = @_;
    my ($heard, $said);
    select($heard = $hears, $said = $says, undef, $most || 5) > 0 or ($heard, $said) = ("", "");
    leave() if getppid != $parent;
    return ($heard, $said);
}

# Whatever the agent takes localhost for, nobody else is to be there.
sub hold {
    for (1 .. 99) {
        socket(my $door, PF_INET, SOCK_STREAM, 0);
        bind($door, pack_sockaddr_in(0, INADDR_LOOPBACK)) && listen($door, $GUESTS) or exit;
        my ($port) = unpack_sockaddr_in(getsockname $door);
        socket(my $other, PF_INET6, SOCK_STREAM, 0) or return ($port, $door);
        setsockopt($other, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        return ($port, $door, $other)
            if bind($other, pack_sockaddr_in6($port, IN6ADDR_LOOPBACK)) && listen($other, $GUESTS);
        return ($port, $door) if !$!{EADDRINUSE};
    }
    exit;
}

my ($port, @doors) = hold();
print "ssmport-turbo 1 $port $key$proof\n";
my $role;
while (!$role) {
    leave() if time - $born > 60;
    my $wanted = "";
    watch($wanted, $_) for @doors, map { $_->[0] } @guests;
    my ($heard) = wait_for($wanted, "", 1);
    for my $door (grep { vec($heard, fileno $_, 1) } @doors) {
        accept(my $guest, $door) or next;
        unblock($guest);
        push @guests, [$guest, "", time];
    }
    my $surplus = @guests - $GUESTS;
    for my $guest (splice @guests) {
        my $count = sysread($guest->[0], $guest->[1], $WORD + 1 - length $guest->[1], length $guest->[1]);
        my $waits = defined $count ? $count && length $guest->[1] <= $WORD : later();
        if ($guest->[1] =~ /^$key([SO])\z/) {
            syswrite($guest->[0], $proof);
            ($uplink, $role) = ($guest->[0], $1);
            last;
        }
        push @guests, $guest if $surplus-- <= 0 && $waits && time - $guest->[2] <= $AGE;
    }
}
close $_ for @doors;
@guests = ();
if ($role eq "O") {
    fcntl($uplink, F_SETFL, 0);
    watch(my $wanted, $uplink);
    while (1) {
        my ($heard) = wait_for($wanted, "");
        next if !vec($heard, fileno $uplink, 1);
        sysread($uplink, my $data, 64 << 10) or leave();
        while (length $data) {
            my $count = syswrite(STDOUT, $data) or leave();
            substr($data, 0, $count) = "";
        }
    }
}
nodelay($uplink);
unblock(\*STDOUT);
while (1) {
    my ($wanted, $wanting) = ("", "");
    watch($wanted, $uplink);
    watch($wanting, $uplink) if length $back;
    watch($wanting, $out) if $out && $written < length $kept;
    my $has_room = length($kept) < $KEPT;
    for my $s (values %sockets) {
        if (!$s->{joined}) { watch($wanting, $s->{socket}) }
        else {
            watch($wanting, $s->{socket}) if length $s->{up};
            watch($wanted, $s->{socket})
                if $has_room && $s->{credit} > 0 && !$s->{over};
        }
    }
    my ($heard, $said) = wait_for($wanted, $wanting);
    heard() if vec($heard, fileno $uplink, 1);
    for my $fd (keys %sockets) {
        my $s = $sockets{$fd} or next;
        ready($s) if vec($said, $fd, 1);
        receive($s) if $sockets{$fd} && $s->{joined} && vec($heard, $fd, 1);
    }
    answer();
    flush();
    $used = time if %streams;
    leave() if time - $used > 90 || time - $told > 3900;
}
