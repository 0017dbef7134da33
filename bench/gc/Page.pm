# Page.pm - the page docs/bench/gc.md: what was measured on what, the goals, a table for each row, the curve.
package Page;
use strict;
use warnings;
use utf8;
use List::Util qw(max);
use POSIX ();
use Goals;
use Managers;
use Measure;

sub median { my @v = sort { $a <=> $b } grep { defined } @_; return @v ? $v[$#v / 2] : undef }
sub line { return '| ' . join(' | ', @_) . " |\n" }
sub head { return line(@_) . '|---|' . '---:|' x (@_ - 1) . "\n" }

# ---- a row's table ----

my @COLUMNS = ( # head, what it is of one run, how it is written; the longest of all rounds is taken with {most}
	['CPU s', sub { $_->{cpu} }, '%.2f'],
	['% of glibc'],
	['wall s', sub { $_->{wall} }, '%.2f'],
	['max RSS, MB', sub { $_->{rss} / 1e6 }, '%.0f'],
	['collections', sub { $_->{gc}{collections} }, '%d'],
	['pause p50, ms', ms('p50'), '%.1f'],
	['p99', ms('p99'), '%.1f'],
	['longest', ms('max'), '%.1f', 1],
	['young p99, ms', ms('minor_p99'), '%.1f'],
	['to stop p99, µs', sub { $_->{gc}{stop_p99} && $_->{gc}{stop_p99} / 1e3 }, '%.0f'],
	['of stops', sub { $_->{gc}{stops} }, '%d'],
);

sub ms { my ($key) = @_; return sub { $_->{gc}{collections} && $_->{gc}{$key} ? $_->{gc}{$key} / 1e6 : undef } }

# How many of what the row counts its program makes: so its smaller and its full size can be compared.
sub amount {
	my ($program, @n) = @{ $_[0] };
	return $n[0] * 9 if $program eq 'lru';
	return $n[0] * ($n[1] // 12) if $program eq 'documents';
	my $nodes = sub { 2 ** ($_[0] + 1) - 1 };
	my ($sum, $stretch) = ($nodes->($n[0] + ($program eq 'trees' ? 1 : 2)) + $nodes->($n[0]), $nodes->($n[0] + 2));
	for (my $depth = 4; $depth <= $n[0]; $depth += 2) {
		my $trees = $program eq 'trees' ? 2 ** ($n[0] - $depth + 4) : 2 * int(2 * $stretch / $nodes->($depth));
		$sum += $trees * $nodes->($depth);
	}
	return $sum;
}

# Of $_, a run of the LRU table: millions of operations in a second, and what one costs, in ns of the process's CPU. The
# filling of the table, another operation for each entry, counts in the second.
sub rate { my ($row) = @_; return 8 * $row->{command}[1] / $_->{inner} / 1e6 }
sub cost { my ($row) = @_; return $_->{cpu} / amount($row->{command}) * 1e9 }

sub operations {
	my ($row) = @_;
	return () if $row->{command}[0] ne 'lru';
	return (['operations/s, million', sub { rate($row) }, '%.2f'],
		['CPU an operation, ns', sub { cost($row) }, '%.0f']);
}

sub printed {
	my ($row) = @_;
	my %keys = map { $_ => 1 } map { keys %{ $_->{printed} // {} } } map { @$_ } values %{ $row->{of} };
	my @keys = sort { order($a) <=> order($b) || $a cmp $b } keys %keys;
	return map {
		my $key = $_;
		[s/_us$/, µs/r =~ s/_/ /gr, sub { $_->{printed}{$key} }, $key =~ /longest/ ? '%.0f' : '%.2f'];
	} @keys;
}

# Of percentiles, before the longest.
sub order { return $_[0] =~ /_p([\d.]+)/ ? $1 : 100.5 }

sub tables {
	my ($rows, $managers) = @_;
	return join "\n", map { table($_, $managers) } @$rows;
}

# What was run, exactly.
sub commands {
	my ($row, $managers) = @_;
	my @there = grep { Managers::runs($_, $row) && @{ $row->{of}{ Managers::label($_) } // [] } } @$managers;
	return join '', map { Managers::shown($_, $row->{command}, Measure::kib($row, $_)) . "\n" } @there;
}

sub table {
	my ($row, $managers) = @_;
	my @columns = (@COLUMNS, operations($row), printed($row));
	my $text = sprintf "## %s: `%s`\n\nMinimum heap: %.1f MiB.\n\n", $row->{name}, join(' ', @{ $row->{command} }),
		$row->{minimum} / 1024;
	$text .= line('memory', 'heap', map { $_->[0] } @columns) . '|---|---|' . '---:|' x @columns . "\n";
	my $glibc = median(map { $_->{cpu} } @{ $row->{of}{glibc} });
	for my $m (grep { Managers::runs($_, $row) } @$managers) {
		my $of = $row->{of}{ Managers::label($m) } // [];
		$text .= line($m->{name}, $m->{heap} // '', cells($m, $of, $glibc, @columns));
	}
	return $text . smaller($row) . ($row->{name} eq 'requests' ? Goals::leads() : '');
}

sub cells {
	my ($m, $of, $glibc, @columns) = @_;
	my ($bad) = grep { $_->{error} } @$of;
	my $why = $m->{missing} ? 'not installed' : $bad ? $bad->{error} : @$of ? undef : 'not run';
	return ($why, ('') x (@columns - 1)) if $why;
	my $cpu = median(map { $_->{cpu} } @$of);
	return map {
		my ($head, $get, $format, $is_most) = @$_;
		my @values = $get ? grep { defined } map { $get->() } @$of : $glibc ? 100 * $cpu / $glibc : ();
		@values ? sprintf $format // '%.0f', $is_most ? max(@values) : median(@values) : '';
	} @columns;
}

sub smaller {
	my ($row) = @_;
	return '' if !$row->{smaller};
	my ($c, $python) = @{ $row->{smaller} };
	my $command = join ' ', @{ $row->{python} };
	my $why = $c->{error} // $python->{error};
	return "\nCPython, smaller (`$command`): $why.\n" if $why;
	my $ns = sub { my ($cpu, $of) = @_; return $cpu / amount($of) * 1e9 };
	my $glibc = median(map { $_->{cpu} } @{ $row->{of}{glibc} });
	return sprintf("\nCPython, smaller (`%s`): %.2f s CPU, %.0f MB, %.0f ns for each %s; ", $command,
		$python->{cpu}, $python->{rss} / 1e6, $ns->($python->{cpu}, $row->{python}), $row->{count}) .
		sprintf("C with glibc at that size %.1f ns, at the row's %.1f ns.\n", $ns->($c->{cpu}, $row->{python}),
			$ns->($glibc, $row->{command}));
}

sub spread {
	my ($rows) = @_;
	my @spreads;
	for my $of (map { values %{ $_->{of} } } @$rows) {
		my @cpu = sort { $a <=> $b } map { $_->{cpu} // () } @$of;
		push @spreads, ($cpu[-1] - $cpu[0]) / median(@cpu) if @cpu > 1;
	}
	return @spreads ? sprintf('is %.0f %% in the median', 100 * median(@spreads)) : 'is not known, of one round';
}

# ---- the machine and the versions ----

sub first_line { my $line = `$_[0] 2>/dev/null` // ''; $line =~ s/\n.*//s; return $line }

sub machine {
	my ($model) = Measure::slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)/m;
	my ($kib) = Measure::slurp('/proc/meminfo') =~ /^MemTotal:\s*(\d+)/m;
	my ($thp) = Measure::slurp('/sys/kernel/mm/transparent_hugepage/enabled') =~ /\[(\w+)\]/;
	return sprintf "Machine: %s; %s processors, %.0f GiB; kernel %s (%s); transparent hugepages: %s;\n%s.",
		$model || 'processor without a name', first_line('nproc'), $kib / 1048576, first_line('uname -r'),
		first_line('uname -m'), $thp // 'none', first_line(($ENV{CC} || 'gcc') . ' --version');
}

sub versions {
	my $commit = first_line('git rev-parse --short HEAD') || 'no commit';
	$commit .= '+' if first_line('git status --porcelain -uno -- src include');
	my (undef, $mimalloc) = Managers::mimalloc();
	my @all = ("cairn $commit", 'glibc ' . first_line('getconf GNU_LIBC_VERSION') =~ s/^glibc //r);
	push @all, $mimalloc ? "mimalloc $mimalloc" : 'mimalloc is not installed';
	push @all, Managers::has_boehm() ? 'Boehm ' . Managers::package_version('libgc-dev') : 'Boehm is not installed';
	for (['Java', 'java'], ['Go', 'go'], ['node', 'node'], ['CPython', 'python']) {
		my $runtime = Managers::runtime($_->[1]);
		push @all, $runtime ? "$_->[0] " . $runtime->{version} =~ s/, (.*)/ ($1)/r : "$_->[0] is not installed";
	}
	return join '; ', @all;
}

# ---- the page ----

sub marks {
	my ($marks) = @_;
	my $text = head('objects', 'one worker, ms', 'two, ms', 'ratio');
	for (@$marks) {
		my ($shape, $one, $two) = @$_;
		$text .= line($shape, $one && $two ? (map { sprintf '%.0f', $_ } $one, $two) : ('failed', ''),
			$one && $two ? sprintf '%.2f', $one / $two : '');
	}
	return $text;
}

sub holes {
	my ($holes) = @_;
	my $mib = sub { sprintf '%.1f', $_[0] / 1048576 };
	my $text = head('collector', 'pinned, 1 of', 'pinned objects', 'holes, MiB', 'freed, MiB', '%', 'moved, MiB',
		'pause, ms');
	for (@$holes) {
		my ($collector, $per_pin, $of) = @$_;
		$text .= line($collector, $per_pin, !$of ? ('failed', ('') x 5) :
			($of->{pinned_objects}, (map { $mib->($of->{$_}) } qw(hole_bytes freed_bytes)), $of->{share},
				$mib->($of->{moved_bytes}), sprintf '%.0f', $of->{pause_us} / 1000));
	}
	return $text;
}

# CPU seconds by the size of the heap: a table for each row.
sub curve {
	my ($curve) = @_;
	my $text = '';
	for my $row (@{ $curve->{rows} }) {
		$text .= sprintf "`%s`, CPU s:\n\n", join ' ', @{ $row->{command} };
		$text .= head('memory', map { "$_ x" } @{ $curve->{times} });
		for my $name (@{ $curve->{names} }) {
			my @cpu = map { $row->{curve}{$name}{$_} } @{ $curve->{times} };
			$text .= line($name, map { defined ? sprintf '%.2f', $_ : '–' } @cpu);
		}
		$text .= "\n";
	}
	return $text;
}

sub whole {
	my ($r) = @_;
	my ($machine, $versions, $spread, $goals) = (machine(), versions(), spread($r->{rows}), Goals::table($r));
	my ($tables, $marks, $holes, $begun) = (tables($r->{rows}, $r->{managers}), marks($r->{marks}),
		holes($r->{holes}), POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $^T));
	my @shown = grep { $_ == $r->{rows}[0] || $_->{name} eq 'documents' } @{ $r->{rows} };
	my $commands = join "\n", map { commands($_, $r->{managers}) } @shown;
	my $curve = $r->{curve} ? <<"END" . curve($r->{curve}) : '';
## Time against the size of the heap

![CPU time against the size of the heap](gc-curve.svg)

One run each, where it is under a second the shorter of two; "–": it did not end in that heap, or not in
$r->{curve}{seconds} s. The same bytes for Java as for cairn.

END
	my $page = <<"END" . $curve;
# Managed heaps beside malloc and free, beside Boehm's collector, and beside other languages

Written by `make bench-gc` (`bench/gc/run`); do not edit. One C source for each program, compiled against each memory
manager by the macros of `bench/gc/memory.h`; with malloc it frees what it drops, with a collector it does not. The
same program in Java, Go, JavaScript and Python (`bench/gc/peers/`) makes the same objects by the same chance and
prints the same result, or the run fails.

$machine
$versions.
Begun $begun; $r->{rounds} round@{[$r->{rounds} > 1 ? 's' : '']}; command: `$r->{command}`.

## Goals

$goals
## What the columns say

*Minimum heap*: the smallest `CAIRN_GC_MAX`, found by bisection to 2 %, with which the program ends under `marksweep`.
For requests a tenth of them is made then. It is the same figure for all collectors; each is given 2 and 4 times that
(`generational` 3 times, too, and for documents it and Java 1.5), and collects when that is used up, not before. **Java
has the same number of bytes**, as `-Xms` and `-Xmx`; what it needs at least itself is not looked for. *Go, limit*: the
same bytes as GOMEMLIMIT, with GOGC=off. "As it comes": the manager sizes its heap; cairn by a growth of 100 %. `none`
never frees; requests are too many for it. Boehm sizes its heap itself; tuned: free_space_divisor 1, no interior
pointers from the heap, leaves atomic; it traces with as many threads as there are processors, and so do cairn by
default, Java and Go; *one worker*: cairn with CAIRN_GC_WORKERS=1.

*Compressed*: the same source, compiled with `-DCAIRN_GC_COMPRESSED`, in a heap of the same bytes: references of 4
bytes, and the library is the same. **Java compresses its references by default**: they are of 4 bytes under all its
collectors but ZGC in heaps under 32 GiB. So it is this build that is like Java's, and the default one that keeps
addresses as they are. *Goal of 2 ms*: CAIRN_GC_PAUSE_GOAL=2, so collections of the young are shorter and more. *Java,
tuned*: Serial, Parallel and G1 with `-XX:+UseTransparentHugePages`, for cairn asks for huge pages by itself where they
are cheap, and from Java 25 on with `-XX:+UseCompactObjectHeaders`, 8 bytes before each object instead of 12. The goals
are by Java with default flags; where Java with those flags is ahead, it is said. All other flags of the JVM are its
own. A thread of node is a worker, with a heap of its own.

Cells are medians of the rounds, but for the longest pause, which is that of all of them. What decides no goal, or none
narrowly, was run in one round. What took more than $r->{long} s was run in one round. CPU is user and system time of
the process from its start to its end (wait4), that of compilers at run time included; its spread over the rounds,
(largest − smallest) / median, $spread. RSS is the highest there was (ru_maxrss). MB are 10^6 bytes, MiB 2^20. A pause
is from the wish to stop to the resumption; *to stop*, the part of it until all threads stand; *of stops*, how many of
these there were, with a thread to wait for: of fewer than a hundred p99 is the longest. The goals take those of all
rounds together. *Young*: the pauses of collections of the young alone. Java's are from its log of safepoints, Go's
from runtime/metrics (bounds of its buckets), node's from --trace-gc. What ZGC and Shenandoah let a thread wait for
memory is no pause in their log, and shows in wall time. CPU an operation: of the whole process, by all operations, the
filling included.

$tables
## Two workers

`mark`: 33.5 million objects of 32 bytes, 1 GiB, under `marksweep`; the shortest mark phase by the clock of five
collections in each of $r->{mark_rounds} runs.

$marks
## Holes at the limit

`compact`: a heap of $r->{holes_mib} MiB is filled with objects of 16 B to 2 KiB, a random quarter of them is dropped,
of the others some are pinned; then objects are asked for that want an empty block each. *Holes*: what is free in blocks
in use before. *Freed*: of that, what came free as whole blocks in the collection that this leads to, whose pause is told.

$holes
## Commands

Of the first row and of the one with all multiples, exactly; others differ in program and size. `\$O`: the build folder.
Each with CAIRN_GC_BENCH=1 and LC_ALL=C, too.

```
$commands```
END
	return $page =~ s/\n+\z/\n/r;
}

1;
