# Managers.pm - the memory managers that are measured: what there is, how a program is built for each and started.
#
# A manager is a hash: name; heap, what its heap is, for people; times, that heap as a multiple of the row's minimum;
# and how it runs: build, which of a C program's builds (malloc, boehm, cairn, compressed), with env and preload; or
# language, with flags; only, the rows that it runs, where that is not all, and rounds, after which it has run enough. One
# that is not installed has {missing}.
package Managers;
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Path qw(make_path);

our $MAIN = 'generational'; # the collector that the goals speak of
our $COMPRESSED = "$MAIN, compressed"; # the same source, with references of 4 bytes
our $ALONE = "$MAIN, one worker";      # where it collects with as many threads as there are processors otherwise
our $PROMPT = "$MAIN, goal of 2 ms";   # with a goal for its pauses
my @COLLECTORS = qw(marksweep semispace markcompact generational); # the library may not know all
my @AS_IT_COMES = qw(markcompact generational);
my @TIMES = (2, 3, 4);
my @PEER_TIMES = (2, 4);
my ($LOW_TIMES, $LOW_ROW) = (1.5, 'documents'); # the one row whose goal names no multiple
my $ALONE_ROW = 'lru';
my @PROMPT_ROWS = qw(lru trees-2-threads requests); # the second for stops: there are many then
my $FEW_ROUNDS = 1; # of what decides no goal, or none narrowly
my $DECIDES = qr/^(glibc|mimalloc|Boehm, tuned|\Q$MAIN\E(,.*)?|Java (Serial|Parallel|G1)\b.*)$/;

# Tuned: what its people would add for throughput. cairn asks for huge pages by itself, Java when it is told to.
my @HUGE = ('-XX:+UseTransparentHugePages');
my @TUNED = (@HUGE, '-XX:+UseCompactObjectHeaders');

# name, flags, and from which version of Java to which
my @JAVA = (
	['Serial', ['-XX:+UseSerialGC']],
	['Parallel', ['-XX:+UseParallelGC']],
	['G1', ['-XX:+UseG1GC']],
	['ZGC', ['-XX:+UseZGC'], 24],
	['ZGC', ['-XX:+UseZGC', '-XX:+ZGenerational'], 21, 23],
	['ZGC, one generation', ['-XX:+UseZGC'], 0, 20],
	['Shenandoah', ['-XX:+UseShenandoahGC', '-XX:ShenandoahGCMode=generational'], 25],
	['Shenandoah, one generation', ['-XX:+UseShenandoahGC'], 0, 24],
	(map { (["$_, tuned", ["-XX:+Use${_}GC", @TUNED], 25], ["$_, tuned", ["-XX:+Use${_}GC", @HUGE], 0, 24]) }
		qw(Serial Parallel G1)),
);

my ($home, $here, $O, %runtime, %known);
my $has_boehm = grep { -e } qw(/usr/include/gc.h /usr/include/gc/gc.h);

sub begin {
	($home, $O) = @_;
	$here = "$home/bench/gc";
	for (split /\n/, `O='$O' '$here/runtimes' --list`) {
		my ($language, $version, $command) = split /\t/;
		$runtime{$language} = { version => $version, command => $command };
	}
	delete $runtime{java} if !grep { -x "$_/javac" } split /:/, $ENV{PATH};
}

sub runtime { return $runtime{ $_[0] } }
sub has_boehm { return $has_boehm }

sub mimalloc {
	my $version = "$O/bench/peers/mimalloc3.version";
	return ("$O/bench/peers/mimalloc3.so", Measure::slurp($version) =~ s/\s+$//r) if -f $version;
	my ($file) = glob '/usr/lib/*/libmimalloc.so.2';
	return $file ? (abs_path($file), package_version('libmimalloc2.0')) : ();
}

sub package_version {
	my $line = `dpkg-query -W -f='\${Version}' $_[0] 2>/dev/null` // '';
	return $line || 'version not known';
}

# ---- the lists ----

sub all {
	my ($mimalloc) = mimalloc();
	my @all = ({ name => 'glibc', build => 'malloc' });
	push @all, $mimalloc ? { name => 'mimalloc', build => 'malloc', preload => $mimalloc } : missing('mimalloc');
	push @all, { name => 'cairn malloc', build => 'malloc', preload => "$O/libcairn.so" };
	push @all, $has_boehm ? ({ name => 'Boehm', build => 'boehm' },
		{ name => 'Boehm, tuned', build => 'boehm', env => { BENCH_BOEHM => 'tuned' } }) : missing('Boehm');
	push @all, collector('none');
	push @all, low(collector($MAIN, $LOW_TIMES), compressed($LOW_TIMES)) if $known{$MAIN};
	push @all, map { my $c = $_; map { collector($c, $_) } $c eq $MAIN ? @TIMES : @PEER_TIMES } collectors();
	push @all, map { compressed($_), variants($_) } $known{$MAIN} ? @PEER_TIMES : ();
	push @all, map { { name => $_, build => 'cairn', heap => 'as it comes',
		env => { CAIRN_GC_COLLECTOR => $_, BENCH_GROWTH => 0 } } } grep { $known{$_} } @AS_IT_COMES;
	push @all, low(grep { !$_->{missing} } java($LOW_TIMES)), java(@PEER_TIMES), go(), node();
	return map { $_->{name} =~ $DECIDES ? $_ : { %$_, rounds => $FEW_ROUNDS } } @all;
}

sub low { return map { { %$_, only => [$LOW_ROW] } } @_ }
sub runs { my ($m, $row) = @_; return !$m->{only} || grep { $_ eq $row->{name} } @{ $m->{only} } }
sub is_cairn { return ($_[0]{build} // '') =~ /^(cairn|compressed)$/ }

sub missing { return { name => $_[0], missing => 1 } }
sub collectors { return grep { $known{$_} } @COLLECTORS }

sub collector {
	my ($name, $times) = @_;
	return { name => $name, build => 'cairn', times => $times, heap => $times ? "$times x" : 'all it takes',
		env => { CAIRN_GC_COLLECTOR => $name } };
}

sub compressed { return { %{ collector($MAIN, $_[0]) }, name => $COMPRESSED, build => 'compressed' } }

sub variants {
	my $m = collector($MAIN, $_[0]);
	my $with = sub { return { %{ $m->{env} }, @_ } };
	return ({ %$m, name => $ALONE, only => [$ALONE_ROW], env => $with->(CAIRN_GC_WORKERS => 1) },
		{ %$m, name => $PROMPT, only => \@PROMPT_ROWS, env => $with->(CAIRN_GC_PAUSE_GOAL => 2) });
}

sub java {
	my (@times) = @_;
	return missing('Java') if !$runtime{java};
	my ($version) = $runtime{java}{version} =~ /^(\d+)/;
	my @there = grep { ($_->[2] // 0) <= $version && $version <= ($_->[3] // 99) } @JAVA;
	my @all;
	for my $java (@there) {
		my %java = (language => 'java', name => "Java $java->[0]", flags => $java->[1]);
		push @all, map { { %java, times => $_, heap => "$_ x" } } @times;
	}
	return @all;
}

sub go {
	return missing('Go') if !$runtime{go};
	my %go = (language => 'go', heap => 'as it comes');
	my @go = map { { %go, name => "Go, GOGC=$_", env => { GOGC => $_ } } } 100, 300;
	my %limit = (language => 'go', name => 'Go, limit', env => { GOGC => 'off' });
	return (@go, map { { %limit, times => $_, heap => "$_ x" } } @PEER_TIMES);
}

sub node {
	return missing('node') if !$runtime{node};
	my %node = (language => 'node', heap => 'as it comes');
	return ({ %node, name => 'node' },
		{ %node, name => 'node, young 64 MB', flags => ['--max-semi-space-size=64'] });
}

sub python { return $runtime{python} ? { name => 'CPython', language => 'python' } : missing('CPython') }

# What the curve is drawn of.
sub curved {
	my (@times) = @_;
	my @java = grep { !$_->{missing} && $_->{name} =~ /^Java (Serial|Parallel|G1)$/ } java(@times);
	return ((map { my $c = $_; map { collector($c, $_) } @times } collectors()), @java);
}

sub label { my ($m) = @_; return $m->{name} . ($m->{heap} ? ", $m->{heap}" : '') }

# ---- how one is started ----

sub command {
	my ($m, $command, $kib, $log) = @_;
	my ($program, @arguments) = @$command;
	return ("$O/bench/gc/$program-$m->{build}", @arguments) if $m->{build};
	my @how = ($runtime{ $m->{language} }{command}, @{ $m->{flags} // [] });
	if ($m->{language} eq 'java') {
		push @how, "-Xms${kib}K", "-Xmx${kib}K", "-Xlog:gc,safepoint:file=$log", '-cp', "$O/bench/gc/java";
		return (@how, ucfirst $program, @arguments);
	}
	return ("$O/bench/gc/go", $program, @arguments) if $m->{language} eq 'go';
	return (@how, '--trace-gc', "$here/peers/$program.mjs", @arguments) if $m->{language} eq 'node';
	return (@how, '-B', "$here/peers/$program.py", @arguments);
}

# As a person would type it. \$O: the build folder.
sub shown {
	my ($m, $command, $kib) = @_;
	my %env = %{ $m->{env} // {} };
	limit($m, $kib, \%env);
	$env{LD_PRELOAD} = $m->{preload} if $m->{preload};
	my @words = ((map { "$_=$env{$_}" } sort keys %env), command($m, $command, $kib // 0, 'LOG'));
	return join ' ', map { s/\Q$O\E\//\$O\//gr =~ s/\Q$home\E\///gr =~ s/^\/\S*\///r } @words;
}

# A heap's size goes by the environment, but for Java.
sub limit {
	my ($m, $kib, $env) = @_;
	return if !defined $kib;
	$env->{CAIRN_GC_MAX} = "${kib}K" if is_cairn($m);
	$env->{GOMEMLIMIT} = "${kib}KiB" if ($m->{language} // '') eq 'go';
}

# ---- building: what is older than its sources ----

sub build {
	my (@programs) = @_;
	my $cc = $ENV{CC} || 'gcc';
	make_path("$O/bench/bin", "$O/bench/gc");
	my ($launch, $source) = ("$O/bench/bin/launch", "$home/bench/malloc/launch.c");
	my @cairn = ('-DUSE_CAIRN', '-Iinclude', "$O/libcairn.a");
	compile($launch, [$cc, qw(-std=gnu11 -O2 -static), $source, '-o', $launch], $source);
	for my $program (@programs) {
		build_one($program, "$program-malloc", '-DUSE_MALLOC');
		build_one($program, "$program-boehm", '-DUSE_BOEHM', '-lgc') if $has_boehm;
		build_one($program, "$program-cairn", @cairn);
		build_one($program, "$program-compressed", '-DCAIRN_GC_COMPRESSED', @cairn);
	}
	build_peers();
	%known = map { $_ => 1 } grep { is_known($_) } @COLLECTORS;
}

# The programs that know one collection of cairn's from another.
sub build_parts { build_one($_, $_, '-DUSE_CAIRN', '-Iinclude', "$O/libcairn.a") for 'mark', 'compact' }

sub build_one {
	my ($program, $name, @more) = @_;
	my ($made, $source) = ("$O/bench/gc/$name", "$here/$program.c");
	my @compiler = ($ENV{CC} || 'gcc', qw(-std=gnu11 -O2 -g -pthread -Wall -Wextra));
	my @headers = (glob("$here/*.h"), "$home/bench/malloc/bench.h", "$home/include/cairn/gc.h");
	compile($made, [@compiler, $source, @more, '-o', $made], $source, @headers, grep { /\.a$/ } @more);
}

sub build_peers {
	if ($runtime{java}) {
		my ($to, @sources) = ("$O/bench/gc/java", glob "$here/peers/*.java");
		compile("$to/Trees.class", ['javac', '--release', 17, '-d', $to, @sources], @sources);
	}
	if ($runtime{go}) {
		my ($to, $go) = ("$O/bench/gc/go", $runtime{go}{command});
		my $build = "cd '$here/peers/go' && HOME=\${HOME:-$O} GOTOOLCHAIN=local exec '$go' build -o '$to' .";
		compile($to, ['sh', '-c', $build], glob "$here/peers/go/*");
	}
}

# What is older than a source is made anew.
sub compile {
	my ($made, $command, @sources) = @_;
	return if -e $made && !grep { (stat $_)[9] > (stat $made)[9] } @sources;
	system(@$command) == 0 or die "run: $made cannot be compiled\n";
}

# Does the library have this collector? A program with a small heap says so.
sub is_known {
	my ($collector) = @_;
	local @ENV{qw(CAIRN_GC_COLLECTOR CAIRN_GC_MAX)} = ($collector, '64M');
	return system("'$O/bench/gc/trees-cairn' 4 >/dev/null 2>&1") == 0;
}

1;
