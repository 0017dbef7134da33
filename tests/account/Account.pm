# Account.pm - what the tests of `cairn stat` share: start a program on cairn, bring it to rest, hold the account of it
# against the kernel's, or against what the program knows of itself.
#
# A program says "ready" on its standard output when it is in the state that is to be looked at, and before that, line
# by line, what it knows: a key, a blank, bytes. The keys are those of %LINE.
package Account;
use strict;
use warnings;
use Exporter qw(import);
use FindBin;
use IO::Select;
use POSIX ();
use lib "$FindBin::Bin/../command";
use Command;
use Test::More;

our @EXPORT = qw(%LINE $PUBLIC_LIBRARY compile start heard told ready hold go_on end_of look lines_of line_bytes rollup smaps_of
	kernel_agrees near children_of executable_of missing mib KIB MIB);

use constant { KIB => 1024, MIB => 1 << 20 };

# How the lines that tests ask for are called.
our %LINE = (
	live        => qr/^live objects$/,
	rounding    => qr/^rounding to size class$/,
	holes       => qr/^holes in used slabs$/,
	queue       => qr/^free: pages waiting to be purged$/,
	caches      => qr/^free: in thread caches$/,
	shelves     => qr/^free: on shelves of threads$/,
	spans       => qr/^free: empty spans$/,
	tails       => qr/^free: behind large blocks$/,
	metadata    => qr/^cairn's metadata$/,
	managed_objects  => qr/^managed objects$/,
	managed_large    => qr/^managed large objects$/,
	managed_external => qr/^managed: external bytes$/,
	managed_holes    => qr/^managed holes$/,
	managed_free     => qr/^managed: free blocks$/,
	managed_records  => qr/^managed: records of slabs$/,
	stack       => qr/^stack of the main thread$/,
	stacks      => qr/^stacks of other threads$/,
	ended       => qr/^stacks of ended threads$/,
	text        => qr/^program and libraries: text$/,
	data        => qr/^program and libraries: data$/,
	files       => qr/^file mappings$/,
	shared      => qr/^shared memory$/,
	brk         => qr/^brk heap/,
	named       => qr/^named mappings$/,
	by_program  => qr/^mappings by account-known$/,
	by_library  => qr/^mappings by libmapper\.so$/,
	unexplained => qr/^unexplained$/,
	untouched   => qr/^untouched live bytes$/,
	lazy        => qr/^lazily freed$/,
	foreign     => qr/^shared with other processes$/,
);

my %started; # process id => what start() returned
my $HERE = dirname_of(__FILE__);

# Other users, whose servers are started here, may have no way to where the library lies.
chmod 0755, $SCRATCH;
our $PUBLIC_LIBRARY = "$SCRATCH/libcairn.so";
system('cp', $LIBRARY, $PUBLIC_LIBRARY) == 0 or die "no copy of $LIBRARY";

END {
	my $status = $?;
	end_of($_) for values %started;
	$? = $status;
}

sub dirname_of { return $_[0] =~ m{^(.*)/[^/]*$} ? $1 : '.' }

# Compiles tests/account/NAME.c to SCRATCH/account-NAME, or a library to SCRATCH/libNAME.so.
sub compile {
	my ($name, @flags) = @_;
	my $to = grep({ $_ eq '-shared' } @flags) ? "$SCRATCH/lib$name.so" : "$SCRATCH/account-$name";
	my @command = ('cc', '-D_GNU_SOURCE', '-std=gnu11', '-O1', '-Wall', '-fno-builtin', '-pthread', "-I$HERE/../../src",
		"-I$HERE/../../include", '-o', $to, "$HERE/$name.c", @flags);
	system(@command) == 0 or BAIL_OUT("tests/account/$name.c does not compile");
	return $to;
}

# Starts a program on cairn. A first argument that is a hash may set: env, dir, uid and gid, alone (not on cairn), err (a
# file for what it says on standard error), in (text for its standard input), hears (told() is its standard input).
sub start {
	my $how = ref $_[0] ? shift : {};
	my @words = @_;
	pipe my $from, my $to or die "pipe: $!";
	pipe my $hears, my $tells or die "pipe: $!";
	if (defined $how->{in}) {
		write_file("$SCRATCH/input", $how->{in});
		chmod 0644, "$SCRATCH/input";
	}
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		%started = ();
		$ENV{LC_ALL} = 'C';
		$ENV{LD_PRELOAD} = $PUBLIC_LIBRARY unless $how->{alone};
		@ENV{ keys %{ $how->{env} } } = values %{ $how->{env} } if $how->{env};
		chdir $how->{dir} or die "$how->{dir}: $!" if $how->{dir};
		open STDIN, '<', defined $how->{in} ? "$SCRATCH/input" : '/dev/null' or die;
		open STDIN, '<&', $hears or die if $how->{hears};
		open STDOUT, '>&', $to or die;
		open STDERR, '>', $how->{err} or die if $how->{err};
		if ($how->{uid}) {
			$) = "$how->{gid} $how->{gid}";
			POSIX::setgid($how->{gid});
			POSIX::setuid($how->{uid});
		}
		exec { $words[0] } @words or POSIX::_exit(127);
	}
	close $to;
	my $p = { pid => $pid, from => $from, text => '', known => {}, to => $how->{hears} ? $tells : undef };
	$started{$pid} = $p;
	return $p;
}

# The next line that the program says, without its end; undef after so many seconds, or when it says no more.
sub heard {
	my ($p, $seconds) = @_;
	my $until = time + $seconds;
	while ($p->{text} !~ /\n/) {
		my ($is_there) = IO::Select->new($p->{from})->can_read($until - time);
		return undef unless $is_there && sysread $p->{from}, $p->{text}, 4096, length $p->{text};
	}
	$p->{text} =~ s/^([^\n]*)\n//;
	return $1;
}

# Says a line to it.
sub told { return syswrite $_[0]{to}, "$_[1]\n" }

# Takes down what the program knows of itself, until it is ready. False: it was not, in time.
sub ready {
	my ($p, $seconds) = @_;
	while (defined(my $line = heard($p, $seconds // 60))) {
		return 1 if $line eq 'ready';
		$p->{known}{$1} = $2 if $line =~ /^(\w+) (\d+)$/;
		$p->{said} = $line;
	}
	return ok(0, "a program is ready: it said " . ($p->{said} // 'nothing')), 0;
}

sub states_of { # of all its threads
	my ($pid) = @_;
	return map { read_file($_) =~ /.*\) (\S)/s ? $1 : 'X' } glob "/proc/$pid/task/*/stat";
}

# Stops every thread of it; returns when they have stopped.
sub hold {
	my ($pid) = @_;
	kill 'STOP', $pid;
	return wait_until(20, sub { my @states = states_of($pid); @states && !grep { $_ !~ /[TtZX]/ } @states });
}

sub go_on { kill 'CONT', $_[0] }

# Ends it, at once, and whatever it has started.
sub end_of {
	my ($p) = @_;
	return unless delete $started{ $p->{pid} };
	my @all = ($p->{pid}, descendants_of($p->{pid}));
	kill 'KILL', @all;
	waitpid $p->{pid}, 0;
	close $p->{from};
}

sub children_of {
	my ($pid) = @_;
	return map { split ' ', read_file($_) } glob "/proc/$pid/task/*/children";
}
sub descendants_of { return map { ($_, descendants_of($_)) } children_of($_[0]) }
sub executable_of { return readlink("/proc/$_[0]/exe") // '' }

# ---- two accounts ----

# The command's answer: run_cairn's, with the JSON in {s}. It gets so many seconds and bytes of addresses, no more.
sub look {
	my ($pid, %how) = @_;
	my $limit = defined $how{kib} ? "ulimit -v $how{kib}; " : '';
	my $r = run_cairn({ command => '/bin/sh' }, '-c', $limit . 'exec timeout -s KILL ' . ($how{seconds} // 20) . ' "$@"', 'sh',
		@{ $how{as} || [] }, $how{command} // $CAIRN, 'stat', '--now', $how{text} ? () : '--json', $pid);
	$r->{s} = eval { JSON::PP->new->utf8->decode($r->{out}) } || {} unless $how{text};
	return $r;
}

sub line_bytes {
	my ($s, $key) = @_;
	my ($line) = grep { $_->{name} =~ $LINE{$key} } @{ $s->{lines} || [] }, @{ $s->{below_the_line} || [] };
	return $line ? $line->{bytes} : undef;
}

sub mib { return sprintf '%.3f MiB', ($_[0] // 0) / MIB }

sub lines_of {
	my ($s) = @_;
	return map { sprintf '%14d  %s', $_->{bytes}, $_->{name} } grep { $_->{bytes} } @{ $s->{lines} || [] },
		@{ $s->{below_the_line} || [] };
}

# The kernel's sums, in bytes: Rss, Pss, AnonHugePages ...
sub rollup {
	my ($pid) = @_;
	return map { /^(\w+): +(\d+) kB/ ? ($1 => $2 * KIB) : () } split /\n/, read_file("/proc/$pid/smaps_rollup");
}

# The kernel's mappings: { start, end, mode, name, Rss => ... }.
sub smaps_of {
	my ($pid) = @_;
	my @all;
	no warnings 'portable'; # addresses are longer than 32 bits
	for (split /\n/, read_file("/proc/$pid/smaps")) {
		if (/^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)$/) {
			push @all, { start => hex $1, end => hex $2, mode => $3, name => $4 };
		} elsif (/^(\w+): +(\d+) kB/) {
			$all[-1]{$1} = $2 * KIB;
		}
	}
	return @all;
}

# The account of a process that stands still is the kernel's to the byte, and leaves next to nothing unexplained.
# Returns the account. Three tests; more where `served` is 0: it is not on cairn, or the other side is asked for.
sub kernel_agrees {
	my ($pid, $what, %how) = @_;
	ok(hold($pid), "$what: all its threads stand still") or return {};
	my %before = rollup($pid);
	my $r = look($pid, as => $how{as});
	my %after = rollup($pid);
	go_on($pid) unless $how{stays};
	my $s = $r->{s};
	my @lines = @{ $s->{lines} || [] };
	my ($sum, $unexplained) = (0, $lines[-1] ? $lines[-1]{bytes} : 0);
	$sum += $_->{bytes} for @lines;
	my $most = $how{most_unexplained} // ($before{Rss} * 0.005 > 256 * KIB ? $before{Rss} * 0.005 : 256 * KIB);
	my $ok = is($r->{status} . $r->{err}, '0', "$what: the command succeeds and says nothing else");
	$ok &= is($s->{rss_bytes}, $before{Rss}, "$what: its resident set is the kernel's, " . mib($before{Rss}));
	$ok &= is($sum, $before{Rss}, "$what: the lines add up to it");
	$ok &= is($lines[-1]{name}, 'unexplained', "$what: the last line is what is unexplained");
	$ok &= cmp_ok($unexplained, '<=', $most, sprintf '%s: unexplained is %.1f KiB, %.3f %%', $what, $unexplained / KIB,
		100 * $unexplained / ($before{Rss} || 1));
	$ok &= ok(!$s->{approximate}, "$what: it stood still, so nothing is approximate");
	$ok &= is(!!$s->{served}, !!($how{served} // 1), "$what: " . ($how{served} // 1 ? 'it is served' : 'it is not served'));
	$ok &= is($after{Anonymous}, $before{Anonymous}, "$what: being looked at costs it no memory of its own");
	diag(join "\n", "$what:", lines_of($s)) unless $ok;
	return $s;
}

# Is a line within 3 % or 256 KiB of its truth?
sub near {
	my ($s, $key, $truth, $what) = @_;
	my $line = line_bytes($s, $key) // 0;
	my $room = $truth * 0.03 > 256 * KIB ? $truth * 0.03 : 256 * KIB;
	my $is_near = abs($line - $truth) <= $room;
	return ok($is_near, sprintf '%s: %s is %s, in truth %s', $what, $key, mib($line), mib($truth))
		|| (diag(join "\n", "$what: $key is $line, in truth $truth; the lines:", lines_of($s)), 0);
}

# Which of these programs is not there? Undef: all are.
sub missing {
	for my $path (@_) {
		return $path unless $path =~ m{^/} ? -x $path : grep { -x "$_/$path" } split /:/, $ENV{PATH};
	}
	return undef;
}

1;
