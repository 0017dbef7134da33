# Goals.pm - what cairn's managed heaps are meant to reach, each with the figures of this run and whether it holds.
package Goals;
use strict;
use warnings;
use utf8;
use List::Util qw(max);
use Managers;

my (%row, @managers, $marks, $holes, @ahead);

sub begin {
	my ($rows, $managers) = @_;
	%row = map { $_->{name} => $_ } @$rows;
	@managers = @$managers;
}

# A goal is a line: what is asked, the figures, whether it holds (undef: something of it was not run), and whether it
# does with compressed references.
sub table {
	my ($r) = @_;
	($marks, $holes) = ($r->{marks}, $r->{holes});
	@ahead = ();
	my $text = <<"END";
Of `$Managers::MAIN` as it is by default, with references of 8 bytes and as many threads to collect as there are
processors; medians of this run. In brackets, *compressed*: with references of 4 bytes, which Java's are by default;
where a goal holds with these alone, that is said. Java: the best of its collectors with default flags, by which a
goal is judged; behind it, in brackets, with flags (*tuned*, below).

END
	$text .= Page::line('goal', 'figures', 'holds') . "|---|---|---|\n";
	for my $goal (trees(), gcbench(), documents(), lru(), stopping(), marking(), compacting()) {
		my ($what, $figures, @holds) = @$goal;
		$text .= Page::line($what, $figures, verdict(@holds));
	}
	return $text . "\n**With flags Java is ahead of cairn in:** " . (join('; ', @ahead) || 'nothing of this') . ".\n";
}

sub verdict {
	my ($holds, $holds_compressed) = @_;
	return 'not known' if !defined $holds;
	return $holds ? 'yes' : $holds_compressed ? 'with compressed references' : '**no**';
}

# ---- figures: these, and what a program prints by its name ----

my %OF = (
	cpu => sub { $_->{cpu} },
	wall => sub { $_->{wall} },
	rss => sub { $_->{rss} / 1e6 },
	rate => sub { Page::rate($row{lru}) },      # million operations/s
	operation => sub { Page::cost($row{lru}) }, # ns of CPU
	young => sub { in($_->{gc}{minor_p99}, 1e6) },
	longest => sub { in($_->{gc}{max}, 1e6) },
);

my %WORD = (cpu => 'CPU', rate => 'million operations/s', operation => 'ns of CPU an operation');

sub in { my ($ns, $unit) = @_; return defined $ns ? $ns / $unit : undef }

# The median of the rounds, the most of longest pauses; undef: it did not run, or not rightly.
sub figure {
	my ($row, $label, $what) = @_;
	my $of = $row{$row}{of}{$label};
	return undef if !$of || !@$of || grep { $_->{error} } @$of;
	my $get = $OF{$what} // sub { $_->{printed}{$what} };
	my @figures = map { $get->() // () } @$of;
	return $what eq 'longest' ? max(@figures) : Page::median(@figures);
}

sub own { my ($row, $times, $what, $of) = @_; return figure($row, ($of // $Managers::MAIN) . ", $times x", $what) }
sub compressed { return own(@_, $Managers::COMPRESSED) }

# The least, or with a sign of -1 the most, of managers: [figure, name].
sub best {
	my ($row, $what, $sign, @of) = @_;
	my @there = sort { $sign * ($a->[0] <=> $b->[0]) } grep { defined $_->[0] }
		map { [figure($row, Managers::label($_), $what), $_->{name}] } @of;
	return $there[0] // [undef, 'none'];
}

# Java's collectors at a multiple: with default flags, and tuned.
sub of_java { my ($times) = @_; return grep { ($_->{language} // '') eq 'java' && $_->{times} == $times } @managers }
sub java { return grep { $_->{name} !~ /tuned/ } of_java(@_) }
sub tuned { return grep { $_->{name} =~ /tuned/ } of_java(@_) }

# What Java with flags reaches, behind what it reaches without; it is noted where that is better than cairn.
sub beside {
	my ($row, $times, $what, $sign, $own) = @_;
	my ($figure, $name) = @{ best($row, $what, $sign, tuned($times)) };
	return '' if !defined $figure;
	my $is_ahead = defined $own && $sign * ($figure <=> $own) < 0;
	push @ahead, sprintf '%s, %s at %s x (%s, compressed %s; %s %s)', $row, $WORD{$what} // $what, $times,
		say($own), say(compressed($row, $times, $what)), $name, say($figure) if $is_ahead;
	return sprintf ' (with flags: %s %s%s)', $name =~ s/^Java //r, say($figure), $is_ahead ? ', **ahead**' : '';
}

# Those of other languages at a multiple, and those that size their heap themselves.
sub peers {
	my ($times) = @_;
	my @others = grep { ($_->{language} // '') =~ /^(go|node)$/ } @managers;
	return (java($times), grep { !$_->{times} || $_->{times} == $times } @others);
}

sub say { my ($value, $format) = @_; return defined $value ? sprintf $format // '%.2f', $value : '?' }

# own <= bound, where both are known.
sub at_most { my ($own, $bound) = @_; return defined $own && defined $bound ? $own <= $bound : undef }
sub at_least { my ($own, $bound) = @_; return defined $own && defined $bound ? $own >= $bound : undef }

# ---- the goals ----

# Own against the best of Java at a multiple.
sub beside_java {
	my ($row, $times, $what, $unit) = @_;
	my ($own, $compressed) = (own($row, $times, $what), compressed($row, $times, $what));
	my $best = best($row, $what, 1, java($times));
	my $text = sprintf '%s (compressed: %s); %s %s', say($own), say($compressed), $best->[1], say($best->[0]);
	$text .= beside($row, $times, $what, 1, $own) . rss($row, $times, $best->[1]);
	return ["$row, $unit at $times x ≤ the best of Java", $text, map { at_most($_, $best->[0]) } $own, $compressed];
}

sub rss {
	my ($row, $times, $name) = @_;
	my $other = figure($row, "$name, $times x", 'rss') // figure($row, "$name, as it comes", 'rss');
	return '; RSS ' . say(own($row, $times, 'rss'), '%.0f') . ' MB, ' . say($other, '%.0f');
}

sub share {
	my ($row, $times, $of, $part, $words) = @_;
	my ($own, $compressed) = (own($row, $times, 'cpu'), compressed($row, $times, 'cpu'));
	my $other = figure($row, $of, 'cpu');
	my @rss = map { say($_, '%.0f') } own($row, $times, 'rss'), figure($row, $of, 'rss');
	my @shares = map { $_ && $other ? $_ / $other : undef } $own, $compressed;
	my $text = sprintf '%s of %s = %s (compressed: %s = %s); RSS %s MB, %s',
		(map { say($_) } $own, $other, $shares[0], $compressed, $shares[1]), @rss;
	return ["$row, CPU at $times x ≤ $words of $of", $text, map { at_most($_, $part) } @shares];
}

sub trees {
	my $rss = own('trees-18', 2, 'rss');
	my @goals = ((map { beside_java('trees', $_, 'cpu', 'CPU') } 4, 2), share('trees', 4, 'glibc', 1 / 3, '⅓'),
		share('trees', 4, 'Boehm, tuned', 1 / 2, '½'), share('trees', 4, 'mimalloc', 1.2, '1.2'));
	push @goals, ['trees-18, RSS at 2 x ≤ 75 MB', sprintf('%s MB; at 4 x %s MB', say($rss, '%.0f'),
		say(own('trees-18', 4, 'rss'), '%.0f')), at_most($rss, 75)];
	return (@goals, map { beside_java('trees-2-threads', $_, 'wall', 'wall') } 4, 2);
}

sub gcbench {
	return map {
		my ($own, $compressed) = (own('gcbench', $_, 'cpu'), compressed('gcbench', $_, 'cpu'));
		my $serial = figure('gcbench', "Java Serial, $_ x", 'cpu');
		my $text = say($own) . ' (compressed: ' . say($compressed) . '); ' . say($serial) .
			beside('gcbench', $_, 'cpu', 1, $own) . rss('gcbench', $_, 'Java Serial');
		["gcbench, CPU at $_ x ≤ Java Serial's", $text, at_most($own, $serial), at_most($compressed, $serial)];
	} 4, 2;
}

# The RSS is asked for without a multiple: it is judged at the smallest at which what is asked of CPU holds.
sub documents {
	my (@goals, $judges, @rss);
	for my $times (1.5, 2, 4) {
		my @cpu = (share('documents', $times, 'glibc', 0.6, '0.6'),
			beside_java('documents', $times, 'cpu', 'CPU'));
		unshift @goals, @cpu;
		$judges //= $times if 2 == grep { $_->[2] } @cpu;
		push @rss, "$times x " . say(own('documents', $times, 'rss'), '%.1f');
	}
	my $itself = figure('documents', "$Managers::MAIN, as it comes", 'rss');
	my $figures = join(', ', @rss) . ', as it comes ' . say($itself, '%.1f') . ' MB; ' .
		($judges ? "judged at $judges x, the smallest at which both of CPU hold" : 'at none do both of CPU hold');
	my $any = best('documents', 'cpu', 1, grep { ($_->{language} // '') eq 'java' } @managers);
	$figures .= sprintf ': %s s; the best of Java in any heap, with flags or not, %s s (%s)',
		say(own('documents', $judges, 'cpu')), say($any->[0]), $any->[1] if $judges;
	my $holds = $judges ? at_most(own('documents', $judges, 'rss'), 200) : 0;
	return (@goals, ['documents, RSS ≤ 200 MB, at any multiple', $figures, $holds]);
}

sub lru {
	return ((map { lru_rate($_), lru_cost($_) } 4, 2), map { pauses($_) } 4, 2);
}

sub lru_rate {
	my ($times) = @_;
	my $best = best('lru', 'rate', -1, peers($times));
	my ($own, $compressed, $alone) = builds($times, 'rate');
	my $text = sprintf '%s (compressed: %s; one worker: %s); %s %s', (map { say($_) } $own, $compressed, $alone),
		$best->[1], say($best->[0]);
	return ["lru, million operations/s at $times x ≥ the best of Java, Go, node",
		$text . beside('lru', $times, 'rate', -1, $own) . rss('lru', $times, $best->[1]),
		map { at_least($_, $best->[0]) } $own, $compressed];
}

sub lru_cost {
	my ($times) = @_;
	my $best = best('lru', 'operation', 1, peers($times));
	my ($own, $compressed, $alone) = builds($times, 'operation');
	my $text = sprintf '%s ns (compressed: %s; one worker: %s); %s %s ns',
		(map { say($_, '%.0f') } $own, $compressed, $alone), $best->[1], say($best->[0], '%.0f');
	$text .= beside('lru', $times, 'operation', 1, $own);
	return ["lru, CPU an operation at $times x ≤ the best of these", $text,
		map { at_most($_, $best->[0]) } $own, $compressed];
}

sub builds {
	my ($times, $what) = @_;
	return map { own('lru', $times, $what, $_) } $Managers::MAIN, $Managers::COMPRESSED, $Managers::ALONE;
}

# A thread that is alone has nobody to wait for: two of them say more. Of fewer than a hundred stops p99 is the longest;
# so those of all rounds are taken together, and with a goal for pauses there are many.
sub stopping {
	my $prompt = $Managers::PROMPT;
	return map { my $of = $_; map { stops(@$of, $_) } 4, 2 }
		['lru', $Managers::MAIN, ''], ['trees-2-threads', $Managers::MAIN, ''],
		['trees-2-threads', $prompt, ' under a goal of 2 ms'];
}

sub stops {
	my ($row, $name, $how, $times) = @_;
	my ($own, $count) = of_all_rounds($row, "$name, $times x");
	my $text = sprintf '%s µs of %s stops; Java G1 %s µs of %s', map { say($_, '%.0f') } $own, $count,
		of_all_rounds($row, "Java G1, $times x");
	return ["$row, time to stop at $times x$how: p99 ≤ 50 µs", $text, at_most($own, 50)];
}

# p99 of all times to stop, in µs, and how many there are; of none 0.
sub of_all_rounds {
	my ($row, $label) = @_;
	my $of = $row{$row}{of}{$label};
	return (undef, undef) if !$of || !@$of || grep { $_->{error} } @$of;
	my @ns = sort { $a <=> $b } map { @{ $_->{gc}{stop_times} } } @$of;
	return (@ns ? $ns[@ns * 0.99] / 1e3 : 0, scalar @ns);
}

# Those of the young with a goal for them; without one none may be of the young alone.
sub pauses {
	my ($times) = @_;
	my ($young, $prompt) = map { own('lru', $times, $_, $Managers::PROMPT) } qw(young operation);
	my ($own, $cost) = map { own('lru', $times, $_) } qw(longest operation);
	my $g1 = figure('lru', "Java G1, $times x", 'longest');
	my $text = sprintf '%s ms, at %s ns an operation (without the goal: %s)', say($young), say($prompt, '%.0f'),
		say($cost, '%.0f');
	return (["lru, pauses of the young at $times x under a goal of 2 ms: p99 ≤ 2 ms", $text, at_most($young, 2)],
		["lru, longest pause at $times x ≤ Java G1's", say($own, '%.1f') . ' ms; ' . say($g1, '%.1f') . ' ms',
			at_most($own, $g1)]);
}

sub marking {
	return map {
		my ($shape, $one, $two) = @$_;
		my $ratio = $one && $two ? $one / $two : undef;
		["marking of 1 GiB, $shape: two workers ≥ 1.4 times one", say($ratio), at_least($ratio, 1.4)];
	} @$marks;
}

sub compacting {
	return map {
		my ($collector, $per_pin, $of) = @$_;
		my $share = $of && $of->{share};
		["holes at the limit, $collector, 1 of $per_pin pinned: ≥ 80 % come free", say($share, '%.1f') . ' %',
			at_least($share, 80)];
	} @$holes;
}

# ---- what has no goal: who is ahead ----

# In the row of requests, of all that collect: what is asked, and how a figure is written.
my @LEADS = (['CPU, s', 'cpu', '%.2f'], ['wall, s', 'wall', '%.2f'], ['max RSS, MB', 'rss', '%.0f'],
	['request p50, µs', 'request_p50_us', '%.2f'], ['request p99, µs', 'request_p99_us', '%.2f'],
	['request p99.99, µs', 'request_p99.99_us', '%.0f'], ['longest request, µs', 'request_longest_us', '%.0f']);

sub leads {
	my $row = $row{requests};
	my @own = ($Managers::MAIN, $Managers::COMPRESSED, $Managers::PROMPT);
	my $text = "\nNo goal is asked for. Who is ahead, of all that collect in these bytes or as it comes:\n\n";
	$text .= Page::head('figure', 'ahead', '', @own);
	for my $times (2, 4) {
		my @of = grep { Managers::runs($_, $row) && collects($_, $times) } @managers;
		for my $lead (@LEADS) {
			my ($words, $what, $format) = @$lead;
			my ($name, $figure) = first($what, $format, @of);
			$text .= Page::line("$words at $times x", $name, $figure,
				map { say(own('requests', $times, $what, $_), $format) } @own);
		}
	}
	return $text;
}

# Who has the least, how many more there are who have it as it is written, and that.
sub first {
	my ($what, $format, @of) = @_;
	my %of = map { my $label = Managers::label($_); $label => figure('requests', $label, $what) } @of;
	my @there = sort { $of{$a} <=> $of{$b} || $a cmp $b } grep { defined $of{$_} } keys %of;
	return ('none', '?') if !@there;
	my ($name, $least) = ($there[0] =~ s/, \d x$//r, say($of{ $there[0] }, $format));
	my $more = -1 + grep { say($of{$_}, $format) eq $least } @there;
	return ($more ? "$name; $more more" : $name, $least);
}

# In a heap of so many times the minimum, or in what it takes.
sub collects {
	my ($m, $times) = @_;
	return ($m->{build} // '') ne 'malloc' && $m->{name} ne 'none' && (!$m->{times} || $m->{times} == $times);
}

1;
