# Measure.pm - one run of one program under one memory manager: what it cost, what it computed, how long it stood still.
package Measure;
use strict;
use warnings;
use File::Path qw(make_path remove_tree);
use POSIX ();
use Managers;

my $TIMEOUT_SECONDS = 100;
my $STRANGE = qr/^(LD_|MALLOC_|CAIRN_|BENCH_|MIMALLOC|GLIBC_|GC_|GO|NODE_|PYTHON|_?JAVA_|JDK_JAVA_)/;
my ($O, $launch, $scratch, $running);

# O: the build folder.
sub begin {
	($O) = @_;
	($launch, $scratch) = ("$O/bench/bin/launch", "$O/bench/gc/scratch.$$");
}

END { my $status = $?; kill KILL => -$running if $running; remove_tree($scratch) if $scratch; $? = $status }
$SIG{INT} = $SIG{TERM} = sub { exit 130 };

sub slurp {
	my ($file) = @_;
	open my $in, '<', $file or return '';
	local $/;
	return <$in> // '';
}

# In a process group of its own, so that a timeout ends all of it. Returns the exit status, -1 after a timeout.
sub execute {
	my ($env, $seconds, @program) = @_;
	my $child = fork // die "run: fork: $!\n";
	if (!$child) {
		POSIX::setpgid(0, 0);
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$scratch/out";
		open STDERR, '>', "$scratch/err";
		delete @ENV{ grep { /$STRANGE/ } keys %ENV };
		@ENV{ keys %$env } = values %$env;
		exec { $program[0] } @program or POSIX::_exit(125);
	}
	POSIX::setpgid($child, $child);
	$running = $child;
	my $late = 0;
	local $SIG{ALRM} = sub { $late = 1; kill KILL => -$child };
	alarm $seconds;
	waitpid $child, 0;
	my $status = $?;
	alarm 0;
	kill KILL => -$child; # what it may have left
	undef $running;
	return $late ? -1 : $status;
}

# The heap of a row under manager m; undef: it has no size.
sub kib {
	my ($row, $m) = @_;
	return $m->{times} ? int($m->{times} * $row->{minimum}) : $m->{name} eq 'none' ? 64 << 20 : undef;
}

# The program and its arguments under manager m, in a heap of so many KiB where it has a size. Times in s, memory in
# bytes; {error} says why there are none.
sub once {
	my ($command, $m, $kib, $seconds) = @_;
	remove_tree($scratch);
	make_path($scratch);
	my %env = (%{ $m->{env} // {} }, CAIRN_GC_BENCH => 1, LC_ALL => 'C');
	Managers::limit($m, $kib, \%env);
	my @launch = ($launch, $m->{preload} ? ('-p', $m->{preload}) : (), '-o', "$scratch/result", '--');
	my $status = execute(\%env, $seconds // $TIMEOUT_SECONDS, @launch,
		Managers::command($m, $command, $kib, "$scratch/log"));
	my %f = slurp("$scratch/result") =~ /(\w+)=(\S+)/g;
	my ($said, $out) = (slurp("$scratch/err"), slurp("$scratch/out"));
	my %printed = map { /^([\w.]+) (\S+)$/ ? ($1 => $2) : () } split /\n/, $out;
	my $why = $status < 0 ? 'timeout' :
		"$said$out" =~ /full|no memory|out ?of ?memory|too small/i ? 'does not fit' : 'failed';
	$why = undef if $status == 0 && defined $printed{check} && $said !~ /ERROR: ld\.so|cannot be preloaded/;
	return { error => $why, said => $said } if defined $why;
	return { check => delete $printed{check}, inner => delete $printed{time}, printed => \%printed,
		gc => pauses($said, slurp("$scratch/log"), $out), wall => $f{wall_ns} / 1e9,
		cpu => ($f{user_us} + $f{sys_us}) / 1e6, rss => $f{rss_kib} * 1024 };
}

# ---- what is known of pauses: the program's line `gc NAME=VALUE...`, the log of a JVM, or node's trace; in ns. Where
# stop_times is known, it has all times to stop, so that those of several runs can be taken together ----

sub pauses {
	my ($said, $log, $out) = @_;
	my %told = map { /^gc / ? /(\w+)=(\S*)/g : () } split /\n/, $said;
	$told{stop_times} = [of_buckets(delete $told{stop_buckets})] if defined $told{stop_buckets};
	return %told ? \%told : $log ne '' ? of_jvm($log) : $out =~ /ms: Scavenge/ ? of_node($out) : {};
}

# Of a histogram as cairn/gc.h has them: for each time the middle of its bucket.
sub of_buckets {
	my ($buckets) = @_;
	my @ns;
	while ($buckets =~ /(\d+):(\d+)/g) {
		push @ns, (2 ** int($1 / 4) * (4.5 + $1 % 4) / 4) x $2;
	}
	return @ns;
}

# Of every stop that the collector asked for; and of collections of the young, where they are one stop.
sub of_jvm {
	my ($log) = @_;
	my (@pause, @stop, @minor);
	my %seen;
	while ($log =~ /^(.*)$/mg) {
		my $line = $1;
		$seen{$1} = 1 if $line =~ /\bGC\((\d+)\)/;
		push @minor, $1 * 1e6 if $line =~ /Pause Young.* ([\d.]+)ms$/;
		next if $line !~ /Safepoint "(?:G1|Serial|Parallel|Z[MR]|X[MR]|Shenandoah|GenCollect|Collect)\w*"/;
		push @stop, $1 if $line =~ /Reaching safepoint: (\d+) ns/;
		push @pause, $1 if $line =~ /Total: (\d+) ns/;
	}
	return { collections => scalar keys %seen, stops => scalar @stop, stop_times => \@stop,
		sizes('', @pause), sizes('stop_', @stop), sizes('minor_', @minor) };
}

sub of_node {
	my ($out) = @_;
	my (@all, @minor);
	while ($out =~ /ms: ([\w() -]+?) [\d.]+ \(.*?MB, (?:pooled: [\d.]+ MB, )?([\d.]+) \/ /g) {
		push @all, $2 * 1e6;
		push @minor, $all[-1] if $1 =~ /Scavenge/;
	}
	return { collections => scalar @all, sizes('', @all), sizes('minor_', @minor) };
}

sub sizes {
	my ($prefix, @ns) = @_;
	@ns = sort { $a <=> $b } @ns or return ();
	return ("${prefix}p50" => $ns[@ns * 0.5], "${prefix}p99" => $ns[@ns * 0.99], "${prefix}max" => $ns[-1]);
}

# ---- one phase, one collection ----

# The shortest, in ms; undef: it failed.
sub mark_once {
	my ($shape, $log2, $workers) = @_;
	my %env = (CAIRN_GC_COLLECTOR => 'marksweep', CAIRN_GC_MAX => '8G', CAIRN_GC_WORKERS => $workers);
	my $said = part_once(\%env, 'mark', $shape, $log2);
	return $said && $said->{mark_us} ? $said->{mark_us} / 1000 : undef;
}

# What bench/gc/compact.c says of a heap of so many MiB with one pinned object of so many; undef: it failed.
sub compact_once {
	my ($collector, $mib, $per_pin) = @_;
	return part_once({ CAIRN_GC_COLLECTOR => $collector, CAIRN_GC_MAX => "${mib}M" }, 'compact', $per_pin);
}

sub part_once {
	my ($env, $program, @arguments) = @_;
	remove_tree($scratch);
	make_path($scratch);
	my $status = execute($env, $TIMEOUT_SECONDS, "$O/bench/gc/$program", @arguments);
	return $status == 0 ? { slurp("$scratch/out") =~ /^(\w+) (\S+)$/mg } : undef;
}

1;
