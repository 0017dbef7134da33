# Goals.pm - what cairn's managed heaps are meant to reach, each with the figures of this run and whether it holds.
package Goals;
use strict;
use warnings;
use utf8;
use List::Util qw(max);
use Managers;

my (%row, @managers, $marks, $holes, @ahead);

# A goal is a line: what is asked, the figures, and whether it holds (undef: something of it was not run).
sub table {
	my ($r) = @_;
	%row = map { $_->{name} => $_ } @{ $r->{rows} };
	@managers = @{ $r->{managers} };
	($marks, $holes) = ($r->{marks}, $r->{holes});
	@ahead = ();
	my $text = "Of `$Managers::MAIN`, operations on lru with two workers, as Java and Go collect; medians of this run. Java: the best of its collectors with default flags, by " .
		"which a goal is judged;\nbehind it, in brackets, with flags (*tuned*, below).\n\n";
	$text .= Page::line('goal', 'figures', 'holds') . "|---|---|---|\n";
	for my $goal (trees(), gcbench(), documents(), lru(), stopping('lru'), stopping('trees-2-threads'), marking(),
		compacting()) {
		my ($what, $figures, $holds) = @$goal;
		$text .= Page::line($what, $figures, !defined $holds ? 'not known' : $holds ? 'yes' : '**no**');
	}
	return $text . "\n**With flags Java is ahead of cairn in:** " . (join('; ', @ahead) || 'nothing of this') . ".\n";
}

# ---- figures ----

my %OF = (
	cpu => sub { $_->{cpu} },
	wall => sub { $_->{wall} },
	rss => sub { $_->{rss} / 1e6 },
	rate => sub { Page::rate($row{lru}) },      # million operations/s
	operation => sub { Page::cost($row{lru}) }, # ns of CPU
	young => sub { in($_->{gc}{minor_p99}, 1e6) },
	longest => sub { in($_->{gc}{max}, 1e6) },
	stop => sub { in($_->{gc}{stop_p99}, 1e3) },
);

my %WORD = (cpu => 'CPU', rate => 'million operations/s', operation => 'ns of CPU an operation');

sub in { my ($ns, $unit) = @_; return defined $ns ? $ns / $unit : undef }

# The median of the rounds, the most of longest pauses; undef: it did not run, or not rightly.
sub figure {
	my ($row, $label, $what) = @_;
	my $of = $row{$row}{of}{$label};
	return undef if !$of || !@$of || grep { $_->{error} } @$of;
	my @figures = map { $OF{$what}->() // () } @$of;
	return $what eq 'longest' ? max(@figures) : Page::median(@figures);
}

sub own { my ($row, $times, $what, $of) = @_; return figure($row, ($of // $Managers::MAIN) . ", $times x", $what) }

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
	push @ahead, sprintf '%s, %s at %s x (%s; %s %s)', $row, $WORD{$what} // $what, $times, say($own), $name,
		say($figure) if $is_ahead;
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
	my ($own, $best) = (own($row, $times, $what), best($row, $what, 1, java($times)));
	my $text = sprintf '%s; %s %s', say($own), $best->[1], say($best->[0]);
	$text .= beside($row, $times, $what, 1, $own) . rss($row, $times, $best->[1]);
	return ["$row, $unit at $times x ≤ the best of Java", $text, at_most($own, $best->[0])];
}

sub rss {
	my ($row, $times, $name) = @_;
	my $other = figure($row, "$name, $times x", 'rss') // figure($row, "$name, as it comes", 'rss');
	return '; RSS ' . say(own($row, $times, 'rss'), '%.0f') . ' MB, ' . say($other, '%.0f');
}

sub share {
	my ($row, $times, $of, $part, $words) = @_;
	my ($own, $other) = (own($row, $times, 'cpu'), figure($row, $of, 'cpu'));
	my @rss = map { say($_, '%.0f') } own($row, $times, 'rss'), figure($row, $of, 'rss');
	my $share = $own && $other ? $own / $other : undef;
	my $text = sprintf '%s of %s = %s; RSS %s MB, %s', say($own), say($other), say($share), @rss;
	return ["$row, CPU at $times x ≤ $words of $of", $text, at_most($own, $other && $part * $other)];
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
		my ($own, $serial) = (own('gcbench', $_, 'cpu'), figure('gcbench', "Java Serial, $_ x", 'cpu'));
		my $text = say($own) . '; ' . say($serial) . beside('gcbench', $_, 'cpu', 1, $own) .
			rss('gcbench', $_, 'Java Serial');
		["gcbench, CPU at $_ x ≤ Java Serial's", $text, at_most($own, $serial)];
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
	my @goals;
	for my $times (4, 2) {
		my $rate = best('lru', 'rate', -1, peers($times));
		my $cost = best('lru', 'operation', 1, peers($times));
		my ($own, $own_cost) = map { own('lru', $times, $_, $Managers::WORKERS) } qw(rate operation);
		my ($one, $one_cost) = map { own('lru', $times, $_) } qw(rate operation);
		my $text = sprintf '%s (one worker: %s); %s %s', say($own), say($one), $rate->[1], say($rate->[0]);
		push @goals, ["lru, million operations/s at $times x ≥ the best of Java, Go, node",
			$text . beside('lru', $times, 'rate', -1, $own) . rss('lru', $times, $rate->[1]),
			at_least($own, $rate->[0])];
		$text = sprintf '%s ns (one worker: %s); %s %s ns', say($own_cost, '%.0f'), say($one_cost, '%.0f'), $cost->[1],
			say($cost->[0], '%.0f');
		$text .= beside('lru', $times, 'operation', 1, $own_cost);
		push @goals, ["lru, CPU an operation at $times x ≤ the best of these", $text,
			at_most($own_cost, $cost->[0])];
	}
	return (@goals, map { pauses($_) } 4, 2);
}

# A thread that is alone has nobody to wait for: two of them say more.
sub stopping {
	my ($row) = @_;
	return map {
		my ($own, $g1) = (own($row, $_, 'stop'), figure($row, "Java G1, $_ x", 'stop'));
		my $text = say($own, '%.0f') . ' µs; Java G1 ' . say($g1, '%.0f') . ' µs';
		["$row, time to stop at $_ x: p99 ≤ 50 µs", $text, at_most($own, 50)];
	} 4, 2;
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

1;
